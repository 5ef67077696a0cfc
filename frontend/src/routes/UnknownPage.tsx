import { Link } from "../router";
import { useFocusOnArrival, useTitle } from "../ui/hooks";

export function UnknownPage() {
  useTitle("No such page");
  const heading = useFocusOnArrival<HTMLHeadingElement>();
  return (
    <div className="empty">
      <h1 ref={heading} tabIndex={-1}>
        There is no page at this address
      </h1>
      <p>
        The link may be old or cut short. <Link to="/">The library</Link> lists everything there is.
      </p>
    </div>
  );
}
