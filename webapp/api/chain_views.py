"""Chains over REST."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webapp.api.present import one_chain
from webapp.api.shapes import ChainShape, ChainsShape
from webapp.catalog.services import current_catalog
from webapp.errors import NotFound


class Chains(APIView):
    """The chains there are."""

    @extend_schema(operation_id="chains_list", responses=ChainsShape)
    def get(self, request: Request) -> Response:  # noqa: ARG002 (DRF's signature)
        """All chains by name, and what is wrong with the chain files that cannot be used."""
        catalog = current_catalog()
        return Response(
            {
                "results": [one_chain(catalog.versions[name]) for name in sorted(catalog.versions)],
                "problems": [
                    {"file": problem.file, "message": problem.message} for problem in catalog.problems
                ],
                "next": None,
            },
        )


class OneChain(APIView):
    """A chain."""

    @extend_schema(operation_id="chains_read", responses=ChainShape)
    def get(self, request: Request, name: str) -> Response:  # noqa: ARG002
        """Its current version: graph and schemas."""
        version = current_catalog().versions.get(name)
        if version is None:
            raise NotFound(f"There is no chain called {name!r}. GET /api/chains lists them.")
        return Response(one_chain(version))
