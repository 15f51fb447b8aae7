import { AxisBottom, AxisLeft } from "@visx/axis";
import { GridRows } from "@visx/grid";
import { Group } from "@visx/group";
import { scaleBand, scaleLinear } from "@visx/scale";
import { Bar, BarStack, LinePath } from "@visx/shape";
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from "react";

import { count } from "./format.ts";

export interface Series {
  name: string;
  values: readonly (number | null)[];
}

interface Props {
  /** What it shows, said to who doesn't see it. */
  label: string;
  /** The moments, as they are said. */
  moments: readonly string[];
  series: readonly Series[];
  kind: "bars" | "stack" | "lines";
  format?: (value: number | null) => string;
  height?: number;
}

const MARGIN = { top: 8, right: 8, bottom: 26, left: 44 };
const COLOURS = 6;

/** Values over time. Arrow keys or a pointer go through the moments; each is said with its values. */
export function TimeChart({ label, moments, series, kind, format = count, height = 220 }: Props) {
  const [frame, width] = useWidth();
  const [at, setAt] = useState<number>();
  const inner = {
    width: Math.max(width - MARGIN.left - MARGIN.right, 40),
    height: height - MARGIN.top - MARGIN.bottom,
  };
  const last = moments.length - 1;
  const x = scaleBand({
    domain: moments.map((_, index) => index),
    range: [0, inner.width],
    paddingInner: 0.25,
  });
  const y = scaleLinear({ domain: [0, highest(series, kind)], range: [inner.height, 0], nice: 4 });
  const middle = (index: number) => (x(index) ?? 0) + x.bandwidth() / 2;
  const chosen = Math.min(at ?? last, last);

  function onKey(event: KeyboardEvent): void {
    const to = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    setAt(Math.min(Math.max(to, 0), last));
  }

  function onPointer(event: PointerEvent<HTMLDivElement>): void {
    const left = event.clientX - event.currentTarget.getBoundingClientRect().left - MARGIN.left;
    setAt(Math.min(Math.max(Math.floor(left / x.step()), 0), last));
  }

  const said = series.map(({ name, values }) => `${name} ${format(values[chosen] ?? null)}`).join(", ");
  return (
    <div className="chart">
      {series.length > 1 && (
        <ul className="legend">
          {series.map(({ name }, index) => (
            <li key={name} className={`series-${index % COLOURS}`}>
              {name}
            </li>
          ))}
        </ul>
      )}
      <div
        ref={frame}
        className="chart-frame"
        role="slider"
        tabIndex={0}
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={chosen}
        aria-valuetext={`${moments[chosen]}: ${said}`}
        onKeyDown={onKey}
        onPointerMove={onPointer}
        onPointerLeave={() => setAt(undefined)}
        onBlur={() => setAt(undefined)}
      >
        <svg width={width} height={height} aria-hidden="true">
          <Group left={MARGIN.left} top={MARGIN.top}>
            <GridRows scale={y} width={inner.width} numTicks={4} className="grid" stroke="" />
            {at !== undefined && (
              <rect
                className="cursor"
                x={(x(at) ?? 0) - x.step() * 0.125}
                width={x.step()}
                height={inner.height}
              />
            )}
            {kind === "lines" ? (
              series.map(({ name, values }, index) => (
                <LinePath
                  key={name}
                  className={`line series-${index % COLOURS}`}
                  data={[...values]}
                  defined={(value) => value !== null}
                  x={(_, position) => middle(position)}
                  y={(value) => y(value ?? 0)}
                  stroke=""
                />
              ))
            ) : kind === "bars" ? (
              (series[0]?.values ?? []).map((value, index) => (
                <Bar
                  key={index}
                  className="area series-0"
                  x={x(index) ?? 0}
                  width={x.bandwidth()}
                  y={y(value ?? 0)}
                  height={inner.height - y(value ?? 0)}
                  rx={Math.min(3, x.bandwidth() / 3)}
                  fill=""
                />
              ))
            ) : (
              <Stacked series={series} moments={moments.length} xScale={x} yScale={y} />
            )}
            <AxisLeft
              scale={y}
              numTicks={4}
              hideAxisLine
              hideTicks
              tickFormat={(value) => format(Number(value))}
              tickLabelProps={LEFT}
            />
            <AxisBottom
              scale={x}
              top={inner.height}
              hideTicks
              axisLineClassName="axis"
              stroke=""
              tickValues={spread(moments.length, Math.max(2, Math.floor(inner.width / 84)))}
              tickFormat={(index) => moments[Number(index)] ?? ""}
              tickLabelProps={BOTTOM}
            />
          </Group>
        </svg>
        {at !== undefined && (
          <div
            className={chosen > last / 2 ? "tip left" : "tip"}
            style={{ left: MARGIN.left + middle(chosen) }}
            aria-hidden="true"
          >
            <b>{moments[chosen]}</b>
            {series.map(({ name, values }, index) => (
              <span key={name} className={`series-${index % COLOURS}`}>
                {name} <b>{format(values[chosen] ?? null)}</b>
              </span>
            ))}
          </div>
        )}
      </div>
    </div>
  );
}

const LEFT = {
  className: "tick",
  fill: "",
  fontSize: 12,
  fontFamily: "",
  textAnchor: "end",
  dx: "-0.4em",
  dy: "0.32em",
} as const;
const BOTTOM = { className: "tick", fill: "", fontSize: 12, fontFamily: "", textAnchor: "middle" } as const;

interface StackedProps {
  series: readonly Series[];
  moments: number;
  xScale: ReturnType<typeof scaleBand<number>>;
  yScale: ReturnType<typeof scaleLinear<number>>;
}

function Stacked({ series, moments, xScale, yScale }: StackedProps) {
  const data = Array.from({ length: moments }, (_, index) => index);
  return (
    <BarStack
      data={data}
      keys={series.map((_, index) => index)}
      x={(index) => index}
      value={(index, key) => series[key]?.values[index] ?? 0}
      xScale={xScale}
      yScale={yScale}
      color={() => ""}
    >
      {(stacks) =>
        stacks.map((stack) =>
          stack.bars.map(({ x, y, width, height, index }) => (
            <rect
              key={`${stack.key} ${index}`}
              className={`area series-${stack.index % COLOURS}`}
              x={x}
              y={y}
              width={width}
              height={Math.max(height, 0)}
            />
          )),
        )
      }
    </BarStack>
  );
}

function highest(series: readonly Series[], kind: Props["kind"]): number {
  const tops =
    kind === "stack"
      ? (series[0]?.values ?? []).map((_, index) =>
          series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0),
        )
      : series.flatMap(({ values }) => values.map((value) => value ?? 0));
  return Math.max(1e-9, ...tops) || 1;
}

/** At most `most` of so many positions, evenly. */
function spread(positions: number, most: number): number[] {
  const step = Math.max(1, Math.ceil(positions / most));
  return Array.from({ length: Math.ceil(positions / step) }, (_, index) => index * step);
}

function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(600);
  useEffect(() => {
    if (!frame.current) return;
    const watching = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)));
    watching.observe(frame.current);
    return () => watching.disconnect();
  }, []);
  return [frame, width];
}
