// Written by `python -m headwise.report.html.schema docs` from the models of the page; edit those.

/**
 * Example sentences.
 *
 * Attributes:
 *     n_layers: Layers of the side that is shown.
 *     n_heads: Heads of each layer.
 *     side: `encoder`, `decoder` or `cross` of a model with two stacks, else empty.
 *     caption: How the sentences were chosen, and of which heads attention is held.
 *     examples: The sentences.
 *     telling: Which are characteristic of which head.
 */
export interface Attention {
  n_layers: number;
  n_heads: number;
  side: string;
  caption: string;
  examples: Array<Example>;
  telling: Array<Telling>;
}

/**
 * Further numbers of every head, a small table on each card: methods of ablation, directions, relations.
 *
 * Attributes:
 *     title: What they are.
 *     caption: How to read them.
 *     rows: Names of the rows.
 *     unit: How values are written.
 *     effect: `[layer, head, row]`; rows that are missing for a head are left out of its card.
 *     low: Lower end of the 95% interval.
 *     high: Upper end of the 95% interval.
 *     p: Corrected p.
 */
export interface Detail {
  title: string;
  caption: string;
  rows: Array<string>;
  unit: "text" | "integer" | "rate" | "difference" | "offset" | "number";
  effect: Packed;
  low: Packed;
  high: Packed;
  p: Packed;
}

/**
 * A sentence and the attention of some heads on it.
 *
 * Attributes:
 *     queries: Text of the queries.
 *     keys: Text of the keys; None if it is the same.
 *     links: Queries and their expected keys.
 *     marks: Labelled words (of the queries).
 *     sinks: Key tokens that receive attention whatever they mean: the first and special ones.
 *     causal: Whether later tokens are masked.
 *     heads: Which heads are held, counting from layer 0 on.
 *     pattern: Weights, `[head, query, key]` by token, as square roots in bytes (`Packed.roots`).
 *     norms: The same, weighted by the length of what each value adds and divided by the row's sum; None if not computed.
 *     scores: Scores before the softmax in bytes: 0 stands for the lower and 255 for the upper end of the head's range.
 *     score_ranges: Range of each head's scores.
 */
export interface Example {
  queries: Text;
  keys: Text | null;
  links: Array<Linked>;
  marks: Array<Marked>;
  sinks: Array<number>;
  causal: boolean;
  heads: Array<number>;
  pattern: Packed;
  norms: Packed | null;
  scores: Packed | null;
  score_ranges: Array<[number, number]>;
}

/**
 * All heads of one side of a model.
 *
 * Attributes:
 *     n_layers: Layers.
 *     n_heads: Heads of each layer.
 *     side: `encoder`, `decoder` or `cross` of a model with two stacks, else empty.
 *     measures: The kinds of evidence that were tested.
 *     verdicts: One letter per head, see `VERDICTS`; `-` where none can be given.
 *     rules: The rules of the verdict in one sentence; empty where none was given.
 *     details: Further numbers.
 *     writes: Directions that heads write.
 *     writes_caption: How these were found.
 */
export interface Heads {
  n_layers: number;
  n_heads: number;
  side: string;
  measures: Array<Measure>;
  verdicts: string;
  rules: string;
  details: Array<Detail>;
  writes: Array<Writes>;
  writes_caption: string;
}

/**
 * Two words: a query and its expected key.
 */
export interface Linked {
  query: number;
  key: number;
  relation: string;
}

/**
 * A word with its label.
 */
export interface Marked {
  word: number;
  label: string;
}

/**
 * One kind of evidence on every head.
 *
 * Attributes:
 *     kind: Which kind.
 *     what: What the effect is, in plain words.
 *     unit: How the effect is written.
 *     rule: When it is a yes, and when a no.
 *     p_over: What p is corrected over.
 *     answers: `y`, `n`, `u` (inconclusive) or `-` (not tested) for each head.
 *     effect: `[layer, head]`.
 *     low: Lower end of the 95% interval.
 *     high: Upper end of the 95% interval.
 *     p: Corrected p.
 *     control: The largest effect of any head of any control (random weights, uniform attention, permuted links or labels), the
 *         same for every head or one of its own.
 *     detectable: The smallest effect that is detectable with 80% power.
 */
export interface Measure {
  kind: "looks" | "carries" | "matters" | "moves";
  what: string;
  unit: "text" | "integer" | "rate" | "difference" | "offset" | "number";
  rule: string;
  p_over: string;
  answers: string;
  effect: Packed;
  low: Packed;
  high: Packed;
  p: Packed;
  control: Packed | null;
  detectable: Packed | null;
}

/**
 * An array: little-endian bytes in base64, last axis fastest. NaN is a missing value.
 *
 * Attributes:
 *     dtype: Type of the numbers.
 *     shape: Length of each axis.
 *     data: The bytes.
 */
export interface Packed {
  dtype: "f4" | "f8" | "i4" | "u2" | "u1";
  shape: Array<number>;
  data: string;
}

/**
 * All that the scripts of one page read.
 *
 * Attributes:
 *     slug: Name of the report, for the names of files that are saved.
 *     n_layers: Layers of the grids; 0 for a page without heads.
 *     n_heads: Heads of each layer.
 *     panels: Grids of heads: first one for each kind of evidence in `heads.measures`, then figures.
 *     matrices: Questions by heads.
 *     heads: Contents of the cards.
 *     tables: In the order of the page.
 *     attention: Example sentences.
 */
export interface Page {
  slug: string;
  n_layers: number;
  n_heads: number;
  panels: Array<Panel>;
  matrices: Array<PageMatrix>;
  heads: Heads | null;
  tables: Array<PageTable>;
  attention: Attention | null;
}

/**
 * A column of a table: numbers, or texts and for each row which of them.
 *
 * Attributes:
 *     name: Name in the CSV file.
 *     title: Heading.
 *     kind: How values are written.
 *     note: What it is, shown on demand.
 *     numbers: One per row; None in a column of texts.
 *     texts: The different texts.
 *     codes: Which text stands in each row, -1 for none; None in a column of numbers.
 */
export interface PageColumn {
  name: string;
  title: string;
  kind: "text" | "integer" | "rate" | "difference" | "offset" | "number";
  note: string;
  numbers: Packed | null;
  texts: Array<string>;
  codes: Packed | null;
}

/**
 * Rows of questions, columns of heads; see `results.Matrix`.
 *
 * Attributes:
 *     title: What is shown.
 *     rows: The questions.
 *     columns: Names of heads.
 *     breaks: Columns before which a new layer begins.
 *     values: `[row, column]`.
 *     limit: Value at the dark end of the scale.
 *     marked: Cells to outline, counting along rows.
 *     marks: What an outlined cell is.
 */
export interface PageMatrix {
  title: string;
  rows: Array<string>;
  columns: Array<string>;
  breaks: Array<number>;
  values: Packed;
  limit: number;
  marked: Array<number>;
  marks: string;
}

/**
 * A table that can be sorted and filtered.
 */
export interface PageTable {
  name: string;
  n_rows: number;
  columns: Array<PageColumn>;
}

/**
 * One number for every head, drawn as a grid.
 *
 * Attributes:
 *     title: What is shown.
 *     caption: How to read it.
 *     unit: How a value is written.
 *     values: `[layer, head]`.
 *     low: Value at the pale end of the scale.
 *     high: Value at the dark end of the scale.
 *     baseline: Name of the number to beat; empty for none.
 *     baseline_value: That number.
 *     marked: Heads to outline, counting from layer 0 on.
 *     answers: One letter per head (`results.Measure`); empty without evidence.
 */
export interface Panel {
  title: string;
  caption: string;
  unit: "text" | "integer" | "rate" | "difference" | "offset" | "number";
  values: Packed;
  low: number;
  high: number;
  baseline: string;
  baseline_value: number | null;
  marked: Array<number>;
  answers: string;
}

/**
 * An example that is characteristic of a head, and why.
 *
 * Attributes:
 *     head: Counting from layer 0 on.
 *     example: Which one.
 *     score: Mean attention from queries to their expected keys, 0 to 1.
 *     why: Where it does so most clearly, as usually (the median sentence), or least.
 *     links: Which of the example's links the head is judged by; all if empty.
 */
export interface Telling {
  head: number;
  example: number;
  score: number;
  why: "clearest" | "typical" | "worst";
  links: Array<number>;
}

/**
 * A sentence as the model sees it.
 *
 * Attributes:
 *     tokens: As they are shown; spaces at the ends are dropped.
 *     words: The words.
 *     word_of: The word of each token; -1 for tokens that belong to none (special tokens).
 */
export interface Text {
  tokens: Array<string>;
  words: Array<string>;
  word_of: Array<number>;
}

/**
 * The directions that one head writes most, `head` counting from layer 0 on.
 */
export interface Writes {
  head: number;
  directions: Array<Written>;
}

/**
 * One direction that a head writes.
 *
 * Attributes:
 *     share: Share of what its weights write along it, 0 to 1.
 *     up: Tokens that it raises, most of all first; empty where a model has no output head.
 *     down: Tokens that it lowers.
 */
export interface Written {
  share: number;
  up: Array<string>;
  down: Array<string>;
}
