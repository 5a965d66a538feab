"use strict";
// Texts are put in as texts alone, never as HTML: they come from packages.
(() => {
  const FEW = 12;
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

  const make = (name, properties, ...inside) => {
    const made = document.createElement(name);
    Object.assign(made, properties);
    made.append(...inside);
    return made;
  };
  const draw = (name, attributes, ...inside) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
    made.append(...inside);
    return made;
  };
  const sizeText = (bytes) => {
    if (bytes === null) return "size not known";
    const power = bytes < 1000 ? 0 : Math.min(4, Math.floor((String(bytes).length - 1) / 3));
    return power ? `${(bytes / 1000 ** power).toFixed(1)}\u00a0${" kMGT"[power]}B` : `${bytes}\u00a0B`;
  };
  const packagesText = (count) => `${count}\u00a0package${count === 1 ? "" : "s"}`;

  // Colours.
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const theme = byId("theme");
  const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { theme.textContent = isDark() ? "Light colours" : "Dark colours"; };
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  });
  system.addEventListener("change", nameTheme);
  nameTheme();
  const tools = byId("tools");
  tools.hidden = false;

  // What is gone to stands below the tools, which take more rows where the window is narrow.
  const setTools = () => root.style.setProperty("--tools", `${tools.offsetHeight}px`);
  setTools();
  new ResizeObserver(setTools).observe(tools);

  // Tables: each heading sorts, numbers the largest first.
  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const numbers = heading.classList.contains("number");
      const valueOf = (row) => {
        const cell = row.cells[column];
        return numbers ? Number(cell.dataset.value) : cell.textContent;
      };
      const button = make("button", { type: "button" }, ...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const was = heading.getAttribute("aria-sort");
        const up = was ? was === "descending" : !numbers;
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", up ? "ascending" : "descending");
        const compare = numbers
          ? (one, other) => valueOf(one) - valueOf(other)
          : (one, other) => valueOf(one).localeCompare(valueOf(other), "en", { numeric: true });
        const rows = [...body.rows].sort(compare);
        body.append(...(up ? rows : rows.reverse()));
      });
    });
  }

  // What is wider than the page can be scrolled by keys, too.
  const widths = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  for (const box of document.querySelectorAll(".scroll")) widths.observe(box);

  // Environments: what needs what, and who needs it.
  const parts = data.environments.map((env) => {
    const packages = new Map(env.packages.map((one) => [`${one.kind}:${one.name}`, one]));
    const needing = new Map([...packages.keys()].map((key) => [key, []]));
    for (const [key, one] of packages) for (const need of one.needs) needing.get(need).push(key);
    const top = new Set([...env.asked.flatMap((one) => one.packages), ...env.others]);
    return { env, packages, needing, top: [...top] };
  });
  let part = parts[0];
  const select = byId("part");

  const reached = (from, without) => {
    const seen = new Set();
    const ahead = [...from];
    while (ahead.length) {
      const key = ahead.pop();
      if (key !== without && !seen.has(key)) {
        seen.add(key);
        ahead.push(...part.packages.get(key).needs);
      }
    }
    return seen;
  };

  // The shortest way from each statement, the nearest first.
  const waysTo = (goal) => {
    const next = new Map([[goal, null]]);
    const ahead = [goal];
    for (const key of ahead) {
      for (const needing of part.needing.get(key)) {
        if (!next.has(needing)) {
          next.set(needing, key);
          ahead.push(needing);
        }
      }
    }
    const order = new Map(ahead.map((key, at) => [key, at]));
    return part.env.asked
      .map((statement) => {
        const there = statement.packages.filter((key) => next.has(key));
        const start = there.sort((one, other) => order.get(one) - order.get(other))[0];
        const way = [];
        for (let key = start; key; key = next.get(key)) way.push(key);
        return { statement, way };
      })
      .filter(({ way }) => way.length)
      .sort((one, other) => one.way.length - other.way.length);
  };

  const look = (key) => { location.hash = `#${parts.indexOf(part)}/${key}`; };
  const named = (key) => {
    const one = part.packages.get(key);
    return `${one.name} ${one.version}`;
  };
  const packageButton = (key) => {
    const button = make("button", { type: "button", className: `package ${key.split(":")[0]}` }, named(key));
    button.addEventListener("click", () => look(key));
    return button;
  };

  const column = (name, title, keys, redraw) => {
    const list = make("ul", {});
    const show = (some) => list.replaceChildren(...some.map((key) => make("li", {}, packageButton(key))));
    show(keys.slice(0, FEW));
    const made = make("div", { className: name }, make("h4", {}, title), list);
    if (keys.length > FEW) {
      const more = make("button", { type: "button", className: "more" }, `${keys.length - FEW} more`);
      more.addEventListener("click", () => {
        show(keys);
        list.children[FEW].firstChild.focus();
        more.remove();
        redraw();
      });
      made.append(more);
    }
    return made;
  };

  const lines = (ways, here) => {
    const svg = ways.querySelector("svg");
    const frame = ways.getBoundingClientRect();
    const middle = here.getBoundingClientRect();
    const y = middle.top + middle.height / 2 - frame.top;
    svg.replaceChildren(
      ...[...ways.querySelectorAll("li > button")].map((button) => {
        const box = button.getBoundingClientRect();
        const left = box.right <= middle.left;
        const [from, to] = left ? [box.right, middle.left] : [middle.right, box.left];
        const at = box.top + box.height / 2 - frame.top;
        const [start, end] = left ? [at, y] : [y, at];
        const [x1, x2] = [from - frame.left, to - frame.left];
        const bend = (x1 + x2) / 2;
        return draw("path", { d: `M${x1} ${start}C${bend} ${start} ${bend} ${end} ${x2} ${end}` });
      }),
    );
  };

  let watched = null;
  const showPackage = (key) => {
    const one = key ? part.packages.get(key) : null;
    const title = one ? `${one.name} ${one.version}` : "What was asked for";
    byId("focus-title").textContent = title;
    const facts = [];
    if (one) {
      const beside = reached([key]);
      const alone = [...beside].filter(((others) => (other) => !others.has(other))(reached(part.top, key)));
      const sizeOf = (keys) => {
        const sizes = [...keys].map((other) => part.packages.get(other).size);
        return sizeText(sum(sizes)) + (sizes.includes(null) ? "+" : "");
      };
      facts.push(
        [one.kind === "conda" ? "conda package" : "PyPI package", one.build, sizeText(one.size)].filter(Boolean).join(", "),
        one.licence ? one.licence.split("\n")[0] : "",
        one.source ? `from ${one.source}` : "",
        `With all that it needs: ${packagesText(beside.size)}, ${sizeOf(beside)}`,
        `Of these nothing else brings in: ${packagesText(alone.length)}, ${sizeOf(alone)}`,
      );
    } else {
      facts.push(`${packagesText(part.packages.size)}, ${sizeText(part.env.size)}${part.env.unsized ? "+" : ""}`);
    }
    const here = make("div", { className: "here" }, ...facts.filter(Boolean).map((fact) => make("p", {}, fact)));
    const ways = make("div", { className: "ways" });
    const redraw = () => lines(ways, here);
    const sorted = (keys) => [...keys].sort((a, b) => named(a).localeCompare(named(b), "en", { numeric: true }));
    const before = one ? sorted(part.needing.get(key)) : [];
    const after = sorted(one ? one.needs : part.top);
    ways.append(
      draw("svg", { "aria-hidden": "true" }),
      one ? column("before", before.length ? `Needed by ${before.length}` : "No package needs it", before, redraw) : make("div", {}),
      here,
      column("after", one ? (after.length ? `Needs ${after.length}` : "Needs no package") : `Names ${packagesText(after.length)}`, after, redraw),
    );
    const reasons = make("ul", { className: "reasons" });
    const found = one ? waysTo(key) : [];
    for (const { statement, way } of found.slice(0, FEW)) {
      const place = statement.place ? ` (${statement.place})` : "";
      const said = `${statement.category} ${statement.text}`.trim() + place;
      reasons.append(make("li", {}, `${said}: ${way.map(named).join(" → ")}`));
    }
    if (found.length > FEW) reasons.append(make("li", {}, `and ${found.length - FEW} more`));
    byId("focus").replaceChildren(
      ...(one ? [make("h4", {}, found.length ? "It is there because of" : "Nothing that was asked for leads to it"), reasons] : []),
      ways,
    );
    byId("others").hidden = !one;
    if (watched) watched.disconnect();
    watched = new ResizeObserver(redraw);
    watched.observe(ways);
  };
  byId("others").addEventListener("click", () => look(""));

  // Sizes: the usual way to keep rectangles near to squares, row by row.
  const squarified = (sizes, width, height) => {
    const scale = (width * height) / sum(sizes);
    const boxes = [];
    let [x, y, row] = [0, 0, []];
    const worst = (areas, side) => {
      const squares = (side / sum(areas)) ** 2;
      return Math.max(squares * areas[0], 1 / (squares * areas[areas.length - 1]));
    };
    const lay = () => {
      const upright = width - x >= height - y;
      const side = upright ? height - y : width - x;
      const deep = sum(row) / side;
      let along = 0;
      for (const area of row) {
        const length = area / deep;
        boxes.push(upright ? [x, y + along, deep, length] : [x + along, y, length, deep]);
        along += length;
      }
      if (upright) x += deep;
      else y += deep;
      row = [];
    };
    for (const size of sizes) {
      const area = size * scale;
      const side = Math.min(width - x, height - y);
      if (row.length && worst([...row, area], side) > worst(row, side)) lay();
      row.push(area);
    }
    if (row.length) lay();
    return boxes;
  };

  const treemap = byId("treemap");
  const showSizes = () => {
    const sized = [...part.packages].filter(([, one]) => one.size).sort(([, one], [, other]) => other.size - one.size);
    treemap.classList.toggle("nothing", !sized.length);
    const [width, height] = [treemap.clientWidth, treemap.clientHeight];
    const boxes = width && sized.length ? squarified(sized.map(([, one]) => one.size), width, height) : [];
    treemap.setAttribute("viewBox", `0 0 ${width || 1} ${height || 1}`);
    treemap.replaceChildren(
      ...boxes.map(([x, y, wide, high], at) => {
        const [key, one] = sized[at];
        const size = sizeText(one.size);
        // It begins with what is seen, for who says the name of what to press.
        const said = `${one.name}, ${size}, version ${one.version}`;
        const box = draw(
          "g",
          { class: one.kind, role: "button", tabindex: at ? -1 : 0, "aria-label": said, "data-key": key },
          draw("rect", { x, y, width: wide, height: high }, draw("title", {}, said)),
        );
        if (wide > 36 && high > 18) {
          // A name is cut off at the edge, a number never.
          const area = draw("svg", { x, y, width: wide - 3, height: high });
          area.append(draw("text", { x: 5, y: 15 }, `${one.name} `));
          if (wide > 70 && high > 34) area.append(draw("text", { x: 5, y: 30 }, size));
          box.append(area);
        }
        return box;
      }),
    );
    byId("unsized").textContent = part.env.unsized
      ? `Without ${packagesText(part.env.unsized)} of unknown size.`
      : "";
    filterSizes();
  };
  // One stop of the Tab key; arrows go from there, the larger ones first.
  treemap.addEventListener("keydown", (event) => {
    const boxes = [...treemap.children];
    const at = boxes.indexOf(document.activeElement);
    const to = {
      ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: boxes.length - 1,
    }[event.key];
    if (event.key === "Enter" || event.key === " ") look(boxes[at].dataset.key);
    else if (!boxes[to]) return;
    else {
      boxes[at].setAttribute("tabindex", -1);
      boxes[to].setAttribute("tabindex", 0);
      boxes[to].focus();
    }
    event.preventDefault();
  });
  treemap.addEventListener("click", (event) => {
    const box = event.target.closest("g");
    if (box) look(box.dataset.key);
  });
  let seen = 0;
  new ResizeObserver(() => {
    if (treemap.clientWidth !== seen) {
      seen = treemap.clientWidth;
      showSizes();
    }
  }).observe(treemap);

  // What is typed is looked for in every row, and in the names of the sizes.
  const search = byId("search");
  const rows = [...document.querySelectorAll("tbody tr")].map((row) => [row, row.textContent.toLowerCase()]);
  const typed = () => search.value.trim().toLowerCase();
  const filterSizes = () => {
    for (const box of treemap.children) box.classList.toggle("apart", !box.dataset.key.includes(typed()));
  };
  search.addEventListener("input", () => {
    let found = 0;
    for (const [row, text] of rows) {
      row.hidden = !text.includes(typed());
      found += !row.hidden;
    }
    for (const box of document.querySelectorAll(".scroll")) {
      const left = [...box.querySelectorAll("tbody tr")].some((row) => !row.hidden);
      box.nextElementSibling.hidden = left;
    }
    byId("found").textContent = typed() ? `in ${found} of ${rows.length} rows` : "";
    filterSizes();
  });

  // What is looked at stands in the address, so that going back works.
  const show = (moved) => {
    const [, at, key] = location.hash.match(/^#(\d+)\/(.*)$/) || [];
    if (moved && at === undefined) return;
    const other = parts[at] || parts[0];
    const changed = part !== other;
    part = other;
    select.value = String(parts.indexOf(part));
    for (const whose of parts.length > 1 ? document.querySelectorAll(".whose") : []) {
      whose.hidden = false;
      whose.textContent = `${select.selectedOptions[0].textContent}, one of ${parts.length} to choose from on a screen`;
    }
    showPackage(part.packages.has(key) ? key : "");
    if (changed) showSizes();
    // Whoever chose another environment goes on from there.
    if (at !== undefined && document.activeElement !== select) {
      byId("look").scrollIntoView();
      byId("focus-title").focus({ preventScroll: true });
    }
  };
  select.addEventListener("change", () => {
    part = parts[Number(select.value)];
    showSizes();
    look("");
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-key]");
    if (!link) return;
    event.preventDefault();
    location.hash = `#${link.dataset.at}/${link.dataset.key}`;
  });
  addEventListener("hashchange", () => show(true));
  byId("pictures").hidden = false;
  byId("undrawn").remove();
  show(false);
})();
