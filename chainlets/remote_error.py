"""The error body that services of truss_chains answer with; also one level of a `Failure`, in that form."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StackFrame(BaseModel):
    """One line of a traceback."""

    model_config = ConfigDict(frozen=True)

    filename: str
    lineno: int | None = None
    name: str = ""
    line: str | None = None


class RemoteErrorDetail(BaseModel):
    """What was raised elsewhere.

    Attributes:
        exception_cls_name: name of the class; `exception_module_name` is where it lives.
        exception_message: what it said.
        user_stack_trace: the author's lines, outermost first.
    """

    model_config = ConfigDict(frozen=True)

    exception_cls_name: str
    exception_module_name: str | None = None
    exception_message: str
    user_stack_trace: list[StackFrame] = []

    def format(self) -> str:
        """As a traceback to read: the author's lines, then class and message."""
        lines = ["Chainlet-Traceback (most recent call last):"]
        for frame in self.user_stack_trace:
            lines.append(f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}')
            lines += [f"    {frame.line.strip()}"] if frame.line else []
        lines.append(f"{self.exception_cls_name}: {self.exception_message}")
        if self.exception_module_name not in (None, "builtins", "__main__"):
            lines.append(f"(Exception class defined in `{self.exception_module_name}`.)")
        return "\n".join(lines)
