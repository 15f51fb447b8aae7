import { type ReactNode, useState } from "react";

import { type Cell, download, toCsv } from "./csv.ts";
import { count } from "./format.ts";

export interface Column<Row> {
  head: string;
  /** As the CSV has it. */
  value: (row: Row) => Cell;
  /** As the page shows it, if it isn't the same. */
  show?: (row: Row) => ReactNode;
  isNumber?: boolean;
  /** Whether the cell has a bar, as long as its number is large. */
  hasBar?: boolean;
}

interface Props<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  /** How many rows are shown before somebody asks for all. */
  most?: number;
  /** Says that there are no rows, and what to do about it. */
  empty?: ReactNode;
  isCaptionHidden?: boolean;
}

/** Rows that can be read by everybody, and downloaded. */
export function Table<Row>({ caption, columns, rows, most = 10, empty, isCaptionHidden }: Props<Row>) {
  const [hasAll, setHasAll] = useState(false);
  const shown = hasAll ? rows : rows.slice(0, most);
  const save = () => {
    const lines = rows.map((row) => columns.map((column) => column.value(row)));
    download(
      `footfall ${caption.toLowerCase()}.csv`.replaceAll(" ", "-"),
      toCsv([columns.map(({ head }) => head), ...lines]),
    );
  };
  if (rows.length === 0) return <p className="empty">{empty ?? "Nothing in this period."}</p>;
  return (
    <div className="table">
      {/* Focusable, as who has no pointer scrolls it by keys where it is wider than the screen. */}
      <div className="scroll" tabIndex={0} role="region" aria-label={caption}>
        <table>
          <caption className={isCaptionHidden ? "hidden" : undefined}>{caption}</caption>
          <thead>
            <tr>
              {columns.map(({ head, isNumber, hasBar }) => (
                <th key={head} scope="col" className={isNumber || hasBar ? "number" : undefined}>
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, index) => (
              <tr key={index}>
                {columns.map((column) => (
                  <TableCell key={column.head} column={column} row={row} rows={rows} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="table-foot">
        {rows.length > most && (
          <button type="button" className="plain" onClick={() => setHasAll(!hasAll)}>
            {hasAll ? "Show fewer" : `Show all ${count(rows.length)}`}
          </button>
        )}
        <button type="button" className="plain" onClick={save}>
          CSV<span className="hidden"> of {caption}</span>
        </button>
      </p>
    </div>
  );
}

function TableCell<Row>({ column, row, rows }: { column: Column<Row>; row: Row; rows: readonly Row[] }) {
  const value = column.value(row);
  const text = column.show ? column.show(row) : typeof value === "number" ? count(value) : (value ?? "–");
  if (!column.hasBar) return <td className={column.isNumber ? "number" : undefined}>{text}</td>;
  const largest = Math.max(1e-9, ...rows.map((one) => Number(column.value(one) ?? 0)));
  return (
    <td className="number bar">
      <span>{text}</span>
      <i style={{ width: `${(100 * Number(value ?? 0)) / largest}%` }} />
    </td>
  );
}
