"""Which packages the wheel holds. Everything else about it stands in pyproject.toml."""

from setuptools import find_packages, setup

MODELS = "CardiacUQModels"
"""The bundles of Resources/Models, as data of a package: a wheel has no folder above its packages."""

setup(
    packages=[
        *find_packages(".", include=["CardiacUQTraining*"]),
        *find_packages("CardiacUQ", include=["CardiacUQLib*", "CardiacUQScene*"]),
        MODELS,
    ],
    package_dir={
        "CardiacUQLib": "CardiacUQ/CardiacUQLib",
        "CardiacUQScene": "CardiacUQ/CardiacUQScene",
        MODELS: "Resources/Models",
    },
)
