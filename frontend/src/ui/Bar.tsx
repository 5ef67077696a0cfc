/** How far something is, from 0 to 1; null while nobody can tell yet. */
export function Bar({ value, label }: { value: number | null; label: string }) {
  return (
    <progress
      className="bar"
      aria-label={label}
      max={1}
      {...(value === null ? {} : { value: Math.max(0, Math.min(1, value)) })}
    />
  );
}
