import { type ReactNode, useId, useState } from "react";

import { DEVICES, filtersOf, PERIODS, useAddress } from "./address.ts";
import { isZone } from "./days.ts";

interface Props {
  /** Which of the filters the report knows, besides the days. */
  knows?: readonly ("zone" | "device" | "country" | "bots")[];
  /** Those of the report alone. */
  children?: ReactNode;
}

const ALL = ["zone", "device", "country", "bots"] as const;

/** From when to when, and of whom: kept in the address. */
export function FilterBar({ knows = ALL, children }: Props) {
  const { said, change } = useAddress();
  const filters = filtersOf(said);
  const isOwn = said.has("from") || said.has("to");
  const days = isOwn ? "own" : (said.get("days") ?? "28");

  function onPeriod(chosen: string): void {
    if (chosen === "own") change({ days: undefined, from: filters.from, to: filters.to });
    else change({ days: chosen, from: undefined, to: undefined });
  }

  return (
    <form className="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
      <label>
        <span>Period</span>
        <select value={days} onChange={(event) => onPeriod(event.target.value)}>
          {PERIODS.map((one) => (
            <option key={one} value={one}>
              Last {one} days
            </option>
          ))}
          <option value="own">From … to …</option>
        </select>
      </label>
      {isOwn && (
        <>
          <label>
            <span>From</span>
            <input
              type="date"
              value={filters.from}
              max={filters.to}
              onChange={(e) => change({ from: e.target.value })}
            />
          </label>
          <label>
            <span>To</span>
            <input
              type="date"
              value={filters.to}
              min={filters.from}
              onChange={(e) => change({ to: e.target.value })}
            />
          </label>
        </>
      )}
      {children}
      {knows.includes("device") && (
        <label>
          <span>Device</span>
          <select value={filters.device ?? ""} onChange={(event) => change({ device: event.target.value })}>
            <option value="">All</option>
            {DEVICES.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
      )}
      {knows.includes("country") && (
        <TextFilter
          label="Country"
          value={filters.country ?? ""}
          hint="DE"
          size={7}
          onChange={(country) =>
            change({ country: /^[a-z]{2}$/.test(country) ? country.toUpperCase() : country })
          }
        />
      )}
      {knows.includes("zone") && (
        <TextFilter
          label="Time zone"
          value={filters.time_zone}
          size={15}
          choices={Intl.supportedValuesOf("timeZone")}
          isGood={isZone}
          onChange={(zone) => change({ time_zone: zone })}
        />
      )}
      {knows.includes("bots") && (
        <label className="check">
          <input
            type="checkbox"
            checked={filters.bots === "true"}
            onChange={(event) => change({ bots: event.target.checked ? "true" : undefined })}
          />
          <span>With bots</span>
        </label>
      )}
    </form>
  );
}

interface TextProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  hint?: string;
  size?: number;
  choices?: readonly string[];
  isGood?: (value: string) => boolean;
}

/** A text that counts once it is finished: with Enter, or when its field is left. */
export function TextFilter({
  label,
  value,
  onChange,
  hint,
  size = 12,
  choices,
  isGood = () => true,
}: TextProps) {
  const list = useId();
  const [draft, setDraft] = useState<string>();
  const text = draft ?? value;
  const isWrong = text !== "" && !isGood(text);
  function finish(): void {
    if (draft !== undefined && draft !== value && !isWrong) onChange(draft.trim());
    if (!isWrong) setDraft(undefined);
  }
  return (
    <label>
      <span>{label}</span>
      <input
        value={text}
        size={size}
        placeholder={hint}
        list={choices ? list : undefined}
        aria-invalid={isWrong}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={finish}
        onKeyDown={(event) => event.key === "Enter" && finish()}
      />
      {choices && (
        <datalist id={list}>
          {choices.map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </datalist>
      )}
    </label>
  );
}
