import type { components } from "../../api/schema.ts";

type Report = components["schemas"]["PathsReport"];
export type Node = Report["nodes"][number];
export type Link = Report["links"][number];

export const SIZE = { box: 8, column: 210, height: 380, gap: 14, least: 2, label: 26 };
const MADE_UP = ["other", "(end)"];

interface Box {
  key: string;
  name: string;
  label: string;
  visits: number;
  x: number;
  y: number;
  height: number;
  isMadeUp: boolean;
}

interface Band {
  key: string;
  from: string;
  to: string;
  visits: number;
  width: number;
  curve: string;
  isEnd: boolean;
}

/** Where everything stands: in each column the most frequent on top, what is made up at the bottom. */
export function layOut(
  nodes: readonly Node[],
  links: readonly Link[],
): { boxes: Box[]; bands: Band[]; width: number; height: number } {
  const columns = Map.groupBy(nodes, ({ step }) => step);
  const most = Math.max(
    ...[...columns.values()].map((column) => column.reduce((sum, { visits }) => sum + visits, 0)),
    1,
  );
  const boxes = new Map<string, Box>();
  let lowest = 0;
  for (const [step, column] of columns) {
    let y = SIZE.label / 2;
    for (const node of column.toSorted(inOrder)) {
      const height = Math.max(SIZE.least, (node.visits / most) * SIZE.height);
      boxes.set(keyOf(step, node.name), {
        key: keyOf(step, node.name),
        name: node.name,
        label: node.name.length > 22 ? `${node.name.slice(0, 21)}…` : node.name,
        visits: node.visits,
        x: step * SIZE.column,
        y,
        height,
        isMadeUp: MADE_UP.includes(node.name),
      });
      y += Math.max(height, SIZE.gap) + SIZE.gap / 2;
    }
    lowest = Math.max(lowest, y);
  }
  return {
    boxes: [...boxes.values()],
    bands: bandsOf(links, boxes, most),
    width: columns.size * SIZE.column,
    height: lowest,
  };
}

function bandsOf(links: readonly Link[], boxes: ReadonlyMap<string, Box>, most: number): Band[] {
  const left = new Map<Box, number>();
  const right = new Map<Box, number>();
  const bands: Band[] = [];
  const top = (link: Link) => boxes.get(keyOf(link.step + 1, link.to))?.y ?? 0;
  for (const link of links.toSorted((one, other) => one.step - other.step || top(one) - top(other))) {
    const from = boxes.get(keyOf(link.step, link.from));
    const to = boxes.get(keyOf(link.step + 1, link.to));
    if (!from || !to) continue;
    const width = (link.visits / most) * SIZE.height;
    const start = (right.get(from) ?? from.y) + width / 2;
    const end = (left.get(to) ?? to.y) + width / 2;
    right.set(from, start + width / 2);
    left.set(to, end + width / 2);
    const middle = (from.x + SIZE.box + to.x) / 2;
    bands.push({
      key: `${from.key} ${to.key}`,
      from: link.from,
      to: link.to,
      visits: link.visits,
      width: Math.max(width, 0.5),
      curve: `M${from.x + SIZE.box} ${start}C${middle} ${start} ${middle} ${end} ${to.x} ${end}`,
      isEnd: link.to === "(end)",
    });
  }
  return bands;
}

function keyOf(step: number, name: string): string {
  return `${step} ${name}`;
}

function inOrder(one: Node, other: Node): number {
  return MADE_UP.indexOf(one.name) - MADE_UP.indexOf(other.name) || other.visits - one.visits;
}
