"""Makes many calls at the same time, in every way that asyncio has."""

import asyncio

import chainlets as chains


class Square(chains.ChainletBase):
    """Takes a moment for each number."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(predict_concurrency=8))

    async def run_remote(self, number: int, pause: float = 0.02) -> int:
        await asyncio.sleep(pause)
        if number < 0:
            raise ValueError(f"{number} is below zero")
        return number * number


@chains.mark_entrypoint("truss-fan-out")
class Squares(chains.ChainletBase):
    """Squares numbers, each by a call of its own."""

    def __init__(self, square: Square = chains.depends(Square, concurrency_limit=4)) -> None:
        self._square = square

    async def run_remote(self, way: str, numbers: list[int]) -> list[int]:
        call = self._square.run_remote
        if way == "gather":
            return await asyncio.gather(*(call(number) for number in numbers))
        if way == "create_task":
            tasks = [asyncio.create_task(call(number)) for number in numbers]
            return [await task for task in tasks]
        if way == "ensure_future":
            futures = [asyncio.ensure_future(call(number)) for number in numbers]
            return [await future for future in futures]
        if way == "TaskGroup":
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(call(number)) for number in numbers]
            return [task.result() for task in tasks]
        if way == "as_completed":
            return sorted([await done for done in asyncio.as_completed([call(n) for n in numbers])])
        if way == "wait":
            done, _ = await asyncio.wait({asyncio.ensure_future(call(number)) for number in numbers})
            return sorted(task.result() for task in done)
        return await self._one_by_one(way, numbers)

    async def _one_by_one(self, way: str, numbers: list[int]) -> list[int]:
        call = self._square.run_remote
        if way == "wait_for":
            return [await asyncio.wait_for(call(number), timeout=20) for number in numbers]
        if way == "one after the other":
            return [await call(number) for number in numbers]
        if way == "too late":
            try:
                await asyncio.wait_for(call(numbers[0], pause=20.0), timeout=0.2)
            except TimeoutError:
                return [await call(number) for number in numbers]
        if way == "cancelled":
            task = asyncio.create_task(call(numbers[0], pause=20.0))
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return [int(task.cancelled()), await call(numbers[1])]
        results = await asyncio.gather(*(call(number) for number in numbers), return_exceptions=True)
        return [len(str(result)) if isinstance(result, ValueError) else result for result in results]


if __name__ == "__main__":
    with chains.run_local():
        print(asyncio.run(Squares().run_remote("gather", [1, 2, 3])))
