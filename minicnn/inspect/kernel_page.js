// Steps through a recorded walk. All words and numbers come from the JSON block and go into the page as text, never as markup.
"use strict";
const walk = JSON.parse(document.getElementById("walk").textContent);
const $ = id => document.getElementById(id);
const LOADS = 0, ADDS = 3, MEETS = 5, WAITS = 6, GAP = 14, LABEL = 14;
let at = 0, lane = walk.lane, shownFile = null;

function make(tag, className, text) {
  const found = document.createElement(tag);
  if (className) found.className = className;
  if (text !== undefined) found.textContent = text;
  return found;
}

// ---- elements

function element(array, index) {                       // flat -> "x[0, 2, 3]"
  const places = [];
  let rest = index;
  for (const size of [...array.shape].reverse()) {
    places.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return places.length ? `${array.name}[${places.join(", ")}]` : array.name;
}

function elements(array, index, width) {
  return element(array, index) + (width > 1 ? ` … ${element(array, index + width - 1)}` : "");
}

const threads = text => text ? `thread${/\D/.test(text) ? "s" : ""} ${text} of the block` : "nobody of the block";
const takesPart = (step, l) => step.act === WAITS || step.lanes[l] !== null;

// ---- source

function showSource(path) {
  if (shownFile === path) return;
  shownFile = path;
  const lines = walk.sources[path].lines.map((text, i) => {
    const ran = walk.sources[path].ran[i + 1], row = make("div", ran ? "ran" : "quiet");
    row.append(make("span", "number", i + 1), make("span", "times", ran ? `${ran[0]} × ${ran[1]}` : ""));
    if (ran) row.title = `${ran[0]} threads of the block came here, ${ran[1]} times each on average`;
    const comment = text.indexOf("//"), words = make("span", "text", comment < 0 ? text : text.slice(0, comment));
    if (comment >= 0) words.append(make("span", "comment", text.slice(comment)));
    row.append(words);
    const place = ` ${path.split("/").pop()}:${i + 1}`;               // as the emulator's words have it
    if (walk.faults.some(fault => `${fault};`.replaceAll(",", ";").includes(`${place};`))) row.classList.add("fault");
    row.addEventListener("click", () => seek(step => walk.places[step.place].file === path && walk.places[step.place].line === i + 1));
    return row;
  });
  $("source").replaceChildren(...lines);
}

function mark(place) {
  showSource(place.file);
  for (const row of $("source").querySelectorAll(".current, .call")) row.classList.remove("current", "call");
  const rows = $("source").children;
  for (const [file, line] of place.calls) if (file === place.file && rows[line - 1]) rows[line - 1].classList.add("call");
  const row = rows[place.line - 1];
  if (row) {
    row.classList.add("current");
    const box = $("source"), top = row.offsetTop - box.offsetTop;
    if (top < box.scrollTop + 40 || top > box.scrollTop + box.clientHeight - 60) box.scrollTop = top - box.clientHeight / 2;
  }
  $("trail").textContent = [...place.calls].reverse().concat([[place.file, place.line]]).map(([f, l]) => `${f}:${l}`).join("  →  ");
}

// ---- what happens in a step

function showAct(step) {
  const box = $("act"), index = step.lanes && step.lanes[lane];
  box.className = "";
  if (step.act === WAITS) {
    box.className = "barrier";
    box.textContent = "__syncthreads: waits here until all threads of the block have come";
  } else if (index === null) {
    box.textContent = "this thread takes no part: it is on another way, or done";
  } else if (step.act === MEETS) {
    box.textContent = "exchanges a number with the other lanes (no memory is touched)";
  } else {
    const array = walk.arrays[step.array], name = elements(array, index, step.width), value = step.values[lane];
    const [verb, sign] = step.act === LOADS ? ["loads", "="] : step.act === ADDS ? ["adds to", "←"] : ["stores", "←"];
    box.className = verb.split(" ")[0];
    box.textContent = `${verb} ${name} ${sign} ${value}${array.shared ? "   (shared memory)" : ""}`;
  }
}

function showLanes(step) {
  const cells = [];
  for (let l = 0; l < 32; ++l) {
    const active = l < walk.lanes && takesPart(step, l), cell = make("span", active ? "active" : "", l);
    if (l === lane) cell.classList.add("mine");
    if (l < walk.lanes) cell.addEventListener("click", () => { lane = l; show(); });
    if (active && step.array !== undefined)
      describe(cell, `thread ${walk.first + l}: ${elements(walk.arrays[step.array], step.lanes[l], step.width)} ` +
                     `${step.act === LOADS ? "=" : "←"} ${step.values[l]}`);
    else describe(cell, l < walk.lanes ? `thread ${walk.first + l}` : "the block has no such thread");
    cells.push(cell);
  }
  $("lanes").replaceChildren(...cells);
  $("warp-words").textContent = step.words || (step.act === WAITS ? "all wait" : "");
}

function showMemory(step) {
  const box = $("memory"), cost = $("cost");
  box.replaceChildren();
  cost.textContent = step.cost || "";
  cost.className = step.takes > step.best ? "bad" : "good";
  if (step.array === undefined) return;
  const array = walk.arrays[step.array], size = array.itemsize, touched = new Set(), mine = new Set();
  step.lanes.forEach((index, l) => {                   // words of 4 bytes
    if (index === null) return;
    for (let w = Math.floor(index * size / 4); w <= Math.floor(((index + step.width) * size - 1) / 4); ++w) {
      touched.add(w);
      if (l === lane) mine.add(w);
    }
  });
  if (array.shared) {
    const banks = make("div", "banks"), counts = new Array(32).fill(0);
    for (const word of touched) ++counts[word % 32];
    counts.forEach((count, bank) => {
      const cell = make("span", count ? "asked" : "", count || "·");
      if (count > step.best) cell.classList.add("conflict");
      describe(cell, `bank ${bank}: asked for ${count} different word${count === 1 ? "" : "s"}`);
      banks.append(cell);
    });
    box.append(banks);
    return;
  }
  for (const sector of [...new Set([...touched].map(word => Math.floor(word / 8)))].sort((a, b) => a - b)) {
    const row = make("div", "sector"), bytes = `bytes ${sector * 32} to ${sector * 32 + 31} of ${array.name}`;
    row.style.gridTemplateColumns = "repeat(8, auto)";
    for (let k = 0; k < 8; ++k) {
      const word = sector * 8 + k;
      row.append(make("i", mine.has(word) ? "mine" : touched.has(word) ? "touched" : ""));
    }
    describe(row, `a sector: ${bytes}`);
    box.append(row);
  }
}

// ---- arrays, as planes of cells

class Picture {
  constructor(array, number) {
    this.array = array;
    this.number = number;
    const shape = array.shape, total = shape.reduce((a, b) => a * b, 1);
    this.columns = shape.length > 1 ? shape[shape.length - 1] : Math.min(32, Math.max(1, total));
    this.rows = shape.length > 1 ? shape[shape.length - 2] : Math.ceil(total / this.columns);
    this.planes = array.planes;                        // those that are drawn
    this.plane = shape.length > 1 ? this.rows * this.columns : total;
    this.cell = Math.max(4, Math.min(20, Math.floor(560 / this.columns)));
    this.label = shape.length > 2;
    const title = this.label ? 6 * (element({name: array.name, shape: shape.slice(0, -2)}, this.planes[this.planes.length - 1]).length) : 0;
    const wide = Math.max(this.columns * this.cell, title) + GAP, across = Math.max(1, Math.floor(600 / wide));
    this.boxes = this.planes.map((plane, i) => ({plane, x: i % across * wide,
      y: Math.floor(i / across) * (this.rows * this.cell + GAP + (this.label ? LABEL : 0)) + (this.label ? LABEL : 0)}));
    this.width = Math.min(across, this.planes.length) * wide;
    this.height = Math.ceil(this.planes.length / across) * (this.rows * this.cell + GAP + (this.label ? LABEL : 0));
    const figure = make("figure"), caption = make("figcaption", "", array.name + " "), all = shape.slice(0, -2).reduce((a, b) => a * b, 1);
    const words = `${shape.join("×") || "a number"}, ${array.type}${array.shared ? ", shared by the block" : ""}` +
      (this.planes.length < all ? `; ${this.planes.length} of its ${all} planes` : "");
    caption.append(make("small", "", words));
    this.canvas = make("canvas");
    const scale = window.devicePixelRatio || 1;
    Object.assign(this.canvas, {width: this.width * scale, height: this.height * scale});
    this.canvas.style.width = `${this.width}px`;
    this.pen = this.canvas.getContext("2d");
    this.pen.scale(scale, scale);
    this.canvas.addEventListener("mousemove", event => this.point(event));
    this.canvas.addEventListener("mouseleave", () => { $("tip").hidden = true; });
    figure.append(caption, this.canvas);
    $("arrays").append(figure);
    this.figure = figure;
  }

  draw(mine, others, before) {
    const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`), pen = this.pen, c = this.cell;
    const colours = {mine: colour("mine"), others: colour("others"), before: colour("before"), cell: colour("cell"), line: colour("line")};
    pen.clearRect(0, 0, this.width, this.height);
    pen.font = "10px system-ui, sans-serif";
    for (const {plane, x, y} of this.boxes) {
      pen.fillStyle = colours.line;
      pen.fillRect(x, y, this.columns * c + 1, this.rows * c + 1);
      for (let i = 0; i < this.plane; ++i) {
        const index = plane * this.plane + i;
        pen.fillStyle = colours[mine.has(index) ? "mine" : others.has(index) ? "others" : before.has(index) ? "before" : "cell"];
        pen.fillRect(x + i % this.columns * c + 1, y + Math.floor(i / this.columns) * c + 1, c - 1, c - 1);
      }
      pen.fillStyle = colour("dim");
      if (this.label) pen.fillText(element({name: this.array.name, shape: this.array.shape.slice(0, -2)}, plane), x, y - 4);
    }
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect(), scale = this.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    const hit = this.boxes.find(b => x >= b.x && x < b.x + this.columns * this.cell && y >= b.y && y < b.y + this.rows * this.cell);
    const within = hit && Math.floor((y - hit.y) / this.cell) * this.columns + Math.floor((x - hit.x) / this.cell);
    if (!hit || within >= this.plane) { $("tip").hidden = true; return; }
    const index = hit.plane * this.plane + within, [readers, writers] = this.array.who[index] || ["", ""];
    const told = this.array.told === null || index <= this.array.told;           // of a large array the page keeps a part
    const who = told ? `read by ${threads(readers)}\nwritten by ${threads(writers)}` : "who touches it is not in this page";
    tell(`${element(this.array, index)}${seen(this.number, index)}\n${who}`, event);
  }
}

function seen(number, index) {                          // the value that the thread saw there last
  for (let i = at; i >= 0; --i) {
    const step = walk.steps[i], first = step.lanes && step.lanes[lane];
    if (step.array === number && first !== null && index >= first && index < first + step.width)
      return step.width > 1 ? "" : ` ${step.act === LOADS ? "=" : "←"} ${step.values[lane]}, in step ${i + 1}`;
  }
  return "";
}

function tell(text, event) {
  const tip = $("tip");
  tip.textContent = text;
  tip.hidden = false;
  tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)}px`;
}

function describe(node, text) {
  node.addEventListener("mousemove", event => tell(text, event));
  node.addEventListener("mouseleave", () => { $("tip").hidden = true; });
}

function showArrays(step) {
  const before = walk.arrays.map(() => new Set());
  for (let i = 0; i < at; ++i) {
    const past = walk.steps[i], index = past.array === undefined ? null : past.lanes[lane];
    for (let k = 0; index !== null && k < past.width; ++k) before[past.array].add(index + k);
  }
  for (const picture of pictures) {
    const mine = new Set(), others = new Set();
    if (step.array === picture.number) {
      const box = $("arrays"), top = picture.figure.offsetTop - box.offsetTop, bottom = top + picture.figure.offsetHeight;
      if (top < box.scrollTop || bottom > box.scrollTop + box.clientHeight) box.scrollTop = top;
      step.lanes.forEach((index, l) => {
        for (let k = 0; index !== null && k < step.width; ++k) (l === lane ? mine : others).add(index + k);
      });
    }
    picture.draw(mine, others, before[picture.number]);
  }
}

// ---- the walk

function show() {
  const step = walk.steps[at];
  $("slider").value = at;
  $("count").textContent = `step ${at + 1} of ${walk.steps.length}`;
  $("lane").value = lane;
  $("phase").textContent = step.act === WAITS ? `phase ${step.phase} | barrier | phase ${step.phase + 1}` : `phase ${step.phase}`;
  mark(walk.places[step.place]);
  showAct(step);
  showLanes(step);
  showMemory(step);
  showArrays(step);
}

function go(to) {
  at = Math.max(0, Math.min(walk.steps.length - 1, to));
  show();
}

function seek(wanted, direction = 1, around = true) {   // the next step that is wanted
  const count = walk.steps.length, own = $("own").checked;
  for (let k = 1; k <= count; ++k) {
    const i = at + direction * k;
    if (!around && (i < 0 || i >= count)) return;
    const step = walk.steps[(i % count + count) % count];
    if ((!own || takesPart(step, lane)) && wanted(step)) return go((i % count + count) % count);
  }
}

const moves = {
  ArrowRight: () => seek(() => true, 1, false), ArrowLeft: () => seek(() => true, -1, false),
  ArrowDown: () => seek(step => step.place !== walk.steps[at].place, 1, false),
  ArrowUp: () => seek(step => step.place !== walk.steps[at].place, -1, false),
  PageDown: () => seek(step => step.act === WAITS, 1, false), PageUp: () => seek(step => step.act === WAITS, -1, false),
  Home: () => go(0), End: () => go(walk.steps.length - 1),
  "[": () => { lane = (lane + walk.lanes - 1) % walk.lanes; show(); }, "]": () => { lane = (lane + 1) % walk.lanes; show(); },
};
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "SELECT" || !moves[event.key]) return;
  event.preventDefault();
  moves[event.key]();
});

$("title").textContent = walk.title;
$("launch").textContent = walk.launch;
$("notes").textContent = walk.notes;
$("faults").hidden = !walk.faults.length;
$("faults").replaceChildren(...walk.faults.map(fault => make("li", "", fault)));
for (const [id, key] of [["first", "Home"], ["back", "ArrowLeft"], ["on", "ArrowRight"], ["last", "End"]])
  $(id).addEventListener("click", moves[key]);
$("slider").max = walk.steps.length - 1;
$("slider").addEventListener("input", () => go(Number($("slider").value)));
for (let l = 0; l < walk.lanes; ++l) $("lane").append(new Option(walk.first + l, l));
$("lane").addEventListener("change", () => { lane = Number($("lane").value); show(); });
const pictures = walk.arrays.map((array, number) => [array, number]).filter(([array]) => array.planes.length)
  .map(([array, number]) => new Picture(array, number));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
const wanted = Number(new URLSearchParams(location.hash.slice(1)).get("step"));      // page.html#step=12
if (walk.steps.length) go(wanted ? wanted - 1 : 0);
