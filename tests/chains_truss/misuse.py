"""Mistakes that show only when the code runs."""

import chainlets as chains


class Helper(chains.ChainletBase):
    """What is meant to be a dependency."""

    def run_remote(self, text: str) -> str:
        return text


def make_helper() -> Helper:
    return Helper()


MARKER = chains.depends(Helper)


@chains.mark_entrypoint("truss-misuse")
class Careless(chains.ChainletBase):
    """Takes a marker for the real thing, or builds a chainlet itself."""

    def __init__(self, helper: Helper = chains.depends(Helper)) -> None:
        self._helper = helper

    def run_remote(self, way: str) -> str:
        if way == "marker made in the method":
            helper = chains.depends(Helper)
            return helper.run_remote("text")
        if way == "marker of the module":
            return MARKER.run_remote("text")
        if way == "context made in the method":
            return str(len(chains.depends_context().secrets))
        if way == "built in the method":
            return Helper().run_remote("text")
        if way == "built by a function":
            return make_helper().run_remote("text")
        return self._helper.run_remote("text")
