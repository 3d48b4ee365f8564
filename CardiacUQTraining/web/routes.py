"""The addresses of the server. Cases are numbers, arrays names from fixed lists: no path is ever taken."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from CardiacUQLib.base.errors import CardiacUQError, ConflictError, InputError, UsageError
from CardiacUQLib.base.version import __version__
from CardiacUQLib.bundles.map_catalogue import MapName

from .cases import Cases, OpenCase
from .decide import decide
from .guard import REPORT_POLICY
from .pages import cohort_page, report_page
from .payload import FINAL, FIRST, LABELS, REGIONS, described, shown_maps
from .publisher import Publisher
from .rle import packed
from .session import Doorkeeper
from .static import Static

WRONG_PASSWORD_DELAY_S = 1.0

Handler = Callable[[Request], Awaitable[Response]]


class Routes:
    """Everything that can be asked of one server."""

    def __init__(
        self, cases: Cases, doorkeeper: Doorkeeper, publisher: Publisher, *, read_only: bool
    ) -> None:
        self.cases = cases
        self.doorkeeper = doorkeeper
        self.publisher = publisher
        self.read_only = read_only
        self.static = Static()

    def table(self) -> list[Route]:
        """The routes of the application."""
        return [
            Route("/", self._page),
            Route("/static/{name}", self._static),
            Route("/open", self._open),
            Route("/login", self._login, methods=["POST"]),
            Route("/cohort", _told(self._cohort_page)),
            Route("/report/{number:int}", _told(self._report)),
            Route("/api/cohort", _told(self._cohort)),
            Route("/api/cases/{number:int}", _told(self._case)),
            Route("/api/cases/{number:int}/image", _told(self._image)),
            Route("/api/cases/{number:int}/film/{frame:int}", _told(self._frame)),
            Route("/api/cases/{number:int}/labels/{name}", _told(self._labels)),
            Route("/api/cases/{number:int}/maps/{name}", _told(self._map)),
            Route("/api/cases/{number:int}/chances/{voxel:int}", _told(self._chances)),
            Route("/api/cases/{number:int}/{action}", _told(self._change), methods=["POST"]),
        ]

    # -- the page and how to get in

    async def _page(self, request: Request) -> Response:
        return self.static.page()

    async def _static(self, request: Request) -> Response:
        return self.static.file(request.path_params["name"])

    async def _open(self, request: Request) -> Response:
        session = self.doorkeeper.redeem(request.query_params.get("token", ""))
        answer = RedirectResponse("/", 303)
        if session is not None:
            self._remember(answer, session)
        return answer

    async def _login(self, request: Request) -> Response:
        try:
            password = _content(await request.body()).get("password")
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        session = self.doorkeeper.log_in(password) if isinstance(password, str) else None
        if session is None:
            await asyncio.sleep(WRONG_PASSWORD_DELAY_S)
            return JSONResponse({"error": "this is not the password"}, 401)
        answer = JSONResponse({"done": True})
        self._remember(answer, session)
        return answer

    def _remember(self, answer: Response, session: str) -> None:
        answer.set_cookie(self.doorkeeper.cookie, session, httponly=True, samesite="strict", path="/")

    # -- what there is

    def _cohort(self, request: Request) -> Response:
        return JSONResponse(
            {
                "name": self.cases.out.resolve().name,
                "reviewer": self.cases.reviewer,
                "read_only": self.read_only,
                "version": __version__,
                "cases": [asdict(one) for one in self.cases.listed()],
            }
        )

    def _case(self, request: Request) -> Response:
        number = request.path_params["number"]
        case = self.cases.open(number)
        self.publisher.leave_others(case)
        self.publisher.ahead(number + 1)
        with case.lock:
            if case.is_behind():
                case.begin_anew()
            content = described(case, number, read_only=self.read_only)
        return JSONResponse(content)

    def _image(self, request: Request) -> Response:
        greys = self._opened(request).greys()
        return _array(greys.codes, low=greys.low, step=greys.step, window=greys.window)

    def _frame(self, request: Request) -> Response:
        codes = self._opened(request).film_codes()
        frame = request.path_params["frame"]
        if not frame < len(codes):
            raise UsageError(f"the film has no frame {frame}")
        return _array(codes[frame])

    def _labels(self, request: Request) -> Response:
        case = self._opened(request)
        arrays = {
            FIRST: case.maps.opinion,
            FINAL: case.maps.segmentation,
            REGIONS: case.review.regions,
            LABELS: case.review.labels,
        }
        name = request.path_params["name"]
        array = arrays.get(name)
        if array is None:
            bands = {band.stem: band.structure for band in case.maps.bands}
            array = case.maps.band_maps[bands[name]] if name in bands else None
        if array is None:
            raise UsageError("the case has no such labels")
        return Response(packed(array), media_type="application/octet-stream")

    def _map(self, request: Request) -> Response:
        case = self._opened(request)
        content = {m["name"]: m["maximum"] for m in shown_maps(case.maps)}
        name = request.path_params["name"]
        if name not in content:
            raise UsageError("the case has no such map")
        values = case.maps.maps[MapName(name)]
        codes = np.clip(np.nan_to_num(values) * (255.0 / content[name]), 0, 255).round().astype(np.uint8)
        return _array(codes)

    def _chances(self, request: Request) -> Response:
        """The class probabilities of a voxel, by its place in the order of the files, in words."""
        probabilities = self._opened(request).probabilities()
        shape, voxel = probabilities.geometry.shape, request.path_params["voxel"]
        if voxel >= math.prod(shape):
            raise UsageError(f"the image has no voxel {voxel}")
        k, j, i = map(int, np.unravel_index(voxel, shape))
        return JSONResponse({"words": probabilities.words((k, j, i))})

    def _report(self, request: Request) -> Response:
        page = report_page(self._opened(request), read_only=self.read_only)
        return HTMLResponse(page, headers={"Content-Security-Policy": REPORT_POLICY})

    def _cohort_page(self, request: Request) -> Response:
        return HTMLResponse(cohort_page(self.cases), headers={"Content-Security-Policy": REPORT_POLICY})

    # -- what can be done

    def _change(self, request: Request, body: bytes) -> Response:
        if self.read_only:
            return JSONResponse({"error": "this server only shows; start it without --read-only"}, 403)
        case = self._opened(request)
        content = _content(body)
        with case.lock:
            answer = decide(case, request.path_params["action"], content, self.cases)
        self.publisher.later(case)
        return JSONResponse(answer)

    def _opened(self, request: Request) -> OpenCase:
        return self.cases.open(request.path_params["number"])


def _told(work: Callable[..., Response]) -> Handler:
    """A handler in a thread whose expected failures become one line with a status."""

    async def handle(request: Request) -> Response:
        body = (await request.body(),) if request.method == "POST" else ()
        try:
            return await run_in_threadpool(work, request, *body)
        except ConflictError as error:
            return JSONResponse({"error": str(error)}, 409)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 422)
        except (CardiacUQError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)

    return handle


def _content(body: bytes) -> dict[str, Any]:
    """The object in the body of a request; ValueError for anything else."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the request is no JSON") from None
    if not isinstance(content, dict):
        raise ValueError("the request is no JSON object")
    return content


def _array(codes: np.ndarray, **about: Any) -> Response:
    headers = {"X-About": json.dumps(about)} if about else {}
    return Response(codes.tobytes(), media_type="application/octet-stream", headers=headers)
