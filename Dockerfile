# CardiacUQ in a container: no network, no root, CPU or GPU. How to build and run it: Docs/container.md
# Processors only: --build-arg PIP_OPTIONS="--extra-index-url ..." with PyTorch's index of CPU wheels.
# Without an index: a folder wheels here and --build-arg PIP_OPTIONS="--no-index --find-links /source/wheels"
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*
COPY . /source
ARG PIP_OPTIONS=""
RUN python3 -m venv /opt/cardiacuq \
    && pip="/opt/cardiacuq/bin/pip --no-cache-dir --disable-pip-version-check install -c /source/constraints.txt $PIP_OPTIONS" \
    && $pip "$(grep '^torch==' /source/constraints.txt)" \
    && $pip "/source[report,dicom,cluster,web]"

FROM ${BASE}
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin cardiacuq \
    && install -d -o cardiacuq -g cardiacuq /data
COPY --from=build /opt/cardiacuq /opt/cardiacuq
# whoever starts it may be any user, as with Apptainer: nothing is written but where it is told to
ENV PATH=/opt/cardiacuq/bin:$PATH PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/dev/shm/matplotlib DASK_CONFIG=/dev/null
USER cardiacuq
WORKDIR /data
CMD ["cardiacuq", "--help"]
