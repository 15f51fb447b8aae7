import type { ReactNode } from "react";

/** A view's title, also the tab's; `before` and `children` stand above and beside it. */
export function Head({
  title,
  before,
  children,
}: {
  title: string;
  before?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <header className="head">
      <title>{`${title} · Footfall`}</title>
      {before}
      <h1>{title}</h1>
      {children}
    </header>
  );
}
