import { count } from "../../parts/format.ts";
import { type Link, layOut, type Node, SIZE } from "./layout.ts";

interface Props {
  nodes: readonly Node[];
  links: readonly Link[];
  onChoose: (name: string) => void;
}

/** Steps as columns, and bands between them as wide as they are frequent. The table beside it says the same. */
export function Flow({ nodes, links, onChoose }: Props) {
  const { boxes, bands, width, height } = layOut(nodes, links);
  return (
    <div
      className="scroll flow"
      tabIndex={0}
      role="region"
      aria-label="Paths, drawn; the table below says the same"
    >
      <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden="true">
        {bands.map((band) => (
          <path
            key={band.key}
            className={band.isEnd ? "band end" : "band"}
            d={band.curve}
            strokeWidth={band.width}
          >
            <title>{`${band.from} → ${band.to}: ${count(band.visits)}`}</title>
          </path>
        ))}
        {boxes.map((box) => (
          <g
            key={box.key}
            className={box.isMadeUp ? "box made-up" : "box"}
            transform={`translate(${box.x} ${box.y})`}
            onClick={box.isMadeUp ? undefined : () => onChoose(box.name)}
          >
            <title>{`${box.name}: ${count(box.visits)}`}</title>
            <rect width={SIZE.box} height={box.height} rx="2" />
            <text x={SIZE.box + 6} y={Math.max(box.height / 2, 6)} dy="0.32em">
              {box.label} <tspan>{count(box.visits)}</tspan>
            </text>
          </g>
        ))}
      </svg>
    </div>
  );
}
