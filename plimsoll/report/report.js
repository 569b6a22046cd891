"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const schemes = read("schemes");
  const specs = read("figures");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let printing = matchMedia("print").matches;

  // Replaces every "@role" in a specification by that role's colour.
  const paint = (node, colours) => {
    if (typeof node === "string") {
      return node.startsWith("@") && node.slice(1) in colours ? colours[node.slice(1)] : node;
    }
    if (Array.isArray(node)) {
      return node.length && typeof node[0] !== "object" ? node : node.map((x) => paint(x, colours));
    }
    if (node === null || typeof node !== "object") return node;
    return Object.fromEntries(Object.entries(node).map(([k, v]) => [k, paint(v, colours)]));
  };

  const draw = (id) => {
    const scheme = schemes[dark.matches && !printing ? "dark" : "light"];
    const spec = paint(specs[id], scheme);
    if (printing) {
      Object.assign(spec.layout, { width: 660, height: Math.min(300, spec.layout.height) });
      Object.assign(spec.layout.legend, { y: -0.25 });
    }
    Plotly.react(id, spec.data, spec.layout, {
      responsive: !printing,
      displaylogo: false,
      displayModeBar: "hover",
      showSendToCloud: false,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    });
  };
  const drawAll = () => Object.keys(specs).forEach(draw);
  drawAll();
  dark.addEventListener("change", drawAll);
  addEventListener("beforeprint", () => { printing = true; drawAll(); });
  addEventListener("afterprint", () => { printing = false; drawAll(); });

  // A field that a spreadsheet would take for a formula gets an apostrophe before it.
  const field = (x) => {
    const raw = x === null || x === undefined ? "" : String(x);
    const text = typeof x === "string" && /^[=+\-@\t\r]/.test(raw) ? "'" + raw : raw;
    return /[",\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  const decoder = document.createElement("textarea");
  const plain = (text) => { decoder.innerHTML = text; return decoder.value; };
  const save = (id) => {
    const rows = ["series,x,y"];
    for (const trace of specs[id].data) {
      if (trace.mode === "text") continue;
      trace.x.forEach((x, i) => rows.push([plain(trace.name), x, trace.y[i]].map(field).join(",")));
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([rows.join("\n") + "\n"], { type: "text/csv" }));
    link.download = id + ".csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  document.querySelectorAll("button[data-csv]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => save(button.dataset.csv));
  });

  // Marks the section being read in the table of contents.
  const entries = [...document.querySelectorAll("nav.toc a")];
  const targets = entries.map((a) => document.getElementById(a.hash.slice(1)));
  const mark = () => {
    let at = 0;
    targets.forEach((t, i) => { if (t.getBoundingClientRect().top < innerHeight / 3) at = i; });
    entries.forEach((a, i) => {
      if (i === at) a.setAttribute("aria-current", "true");
      else a.removeAttribute("aria-current");
    });
  };
  addEventListener("scroll", mark, { passive: true });
  mark();
})();
