// Adds to every table what it is complete without: a field that filters its rows, headings that sort them.
for (const table of document.querySelectorAll("main table")) {
  const rows = [...table.tBodies].flatMap(body => [...body.rows]);
  if (rows.length < 3) continue;
  const homes = rows.map(row => row.parentNode);
  const cell = (row, at) => row.cells[at].textContent.trim();
  const number = text => {
    const found = /^[<>]?([-+]?[\d.]+)/.exec(text.replaceAll(",", "").replaceAll("−", "-"));
    return found ? parseFloat(found[1]) + (text[0] === ">" ? 1e-9 : text[0] === "<" ? -1e-9 : 0) : NaN;
  };
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.onclick = () => {
      const order = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort") ?? "none"];
      heads.forEach(other => other.removeAttribute("aria-sort"));
      if (order === "none") return rows.forEach((row, place) => homes[place].append(row));
      head.setAttribute("aria-sort", order);
      const known = rows.filter(row => cell(row, at) !== "–");
      const numbers = known.every(row => !isNaN(number(cell(row, at))));
      const sign = order === "ascending" ? 1 : -1;
      known.sort((a, b) => sign * (numbers ? number(cell(a, at)) - number(cell(b, at)) : cell(a, at).localeCompare(cell(b, at), "en", { numeric: true })));
      homes[0].append(...known, ...rows.filter(row => cell(row, at) === "–"));
    };
  });
  if (rows.length < 8) continue;
  const field = document.createElement("input");
  const told = document.createElement("output");
  field.type = "search";
  field.placeholder = "filter rows";
  field.setAttribute("aria-label", "Filter the rows of this table");
  field.oninput = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    rows.forEach(row => { row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word)); });
    told.value = field.value ? `${rows.filter(row => !row.hidden).length} of ${rows.length} rows` : "";
  };
  table.parentNode.before(field, told);
}
const tables = [...document.querySelectorAll("main details")];
const all = document.querySelector("nav button");
all.hidden = false;
all.onclick = () => {
  const open = tables.some(each => !each.open);
  tables.forEach(each => { each.open = open; });
  all.textContent = open ? "Close all" : "Open all";
};
