import type { components } from "../../api/schema.ts";

type Report = components["schemas"]["PathsReport"];
export type Node = Report["nodes"][number];
export type Link = Report["links"][number];

export const SIZE = { box: 8, width: 1000, column: 210, height: 380, gap: 14, least: 2, label: 26 };
// Drawn by name in each column; the rest is one box, as the eye follows few.
const MOST = 7;
const OTHER = "other";
const MADE_UP = [OTHER, "(end)"];

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

/** The same with the rare ones of each column under `other`. */
function folded(nodes: readonly Node[], links: readonly Link[]): { nodes: Node[]; links: Link[] } {
  const kept = new Set<string>();
  for (const [step, column] of Map.groupBy(nodes, (node) => node.step)) {
    const named = column.filter(({ name }) => !MADE_UP.includes(name)).toSorted(inOrder);
    for (const name of [...MADE_UP, ...named.slice(0, MOST).map((node) => node.name)])
      kept.add(keyOf(step, name));
  }
  const nameAt = (step: number, name: string) => (kept.has(keyOf(step, name)) ? name : OTHER);
  return {
    nodes: summed(
      nodes.map((node) => ({ ...node, name: nameAt(node.step, node.name) })),
      ({ step, name }) => keyOf(step, name),
    ),
    links: summed(
      links.map((link) => ({
        ...link,
        from: nameAt(link.step, link.from),
        to: nameAt(link.step + 1, link.to),
      })),
      ({ step, from, to }) => `${keyOf(step, from)} ${to}`,
    ),
  };
}

function summed<T extends { visits: number }>(all: readonly T[], key: (one: T) => string): T[] {
  const groups = [...Map.groupBy(all, key).values()];
  return groups.flatMap(([first, ...more]) =>
    first ? [{ ...first, visits: more.reduce((sum, { visits }) => sum + visits, first.visits) }] : [],
  );
}

/** Where everything stands: in each column the most frequent on top, what is made up at the bottom. */
export function layOut(
  allNodes: readonly Node[],
  allLinks: readonly Link[],
): { boxes: Box[]; bands: Band[]; width: number; height: number } {
  const { nodes, links } = folded(allNodes, allLinks);
  const columns = Map.groupBy(nodes, ({ step }) => step);
  const apart = Math.max(SIZE.column, SIZE.width / columns.size);
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
        x: step * apart,
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
    width: columns.size * apart,
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
