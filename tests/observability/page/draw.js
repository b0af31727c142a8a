// Draws a shipped dashboard on what a Prometheus says: each target's PromQL as it stands, with the variables at "All".
// It is no Grafana. It shows whether a question has an answer, and whether a person would understand it.
(async () => {
  const settings = new URLSearchParams(location.search);
  const [prometheus, from, to] = [settings.get("prometheus"), +settings.get("from"), +settings.get("to")];
  const board = await (await fetch(`board/${settings.get("board")}`)).json();
  const palette = ["#56a64b", "#f2a900", "#3274d9", "#e02f44", "#8f3bb8", "#ff780a", "#19a3a3", "#7b8087"];
  const colors = { green: "#37872d", orange: "#e0751a", red: "#c4162a", blue: "#1f60c4", purple: "#8f3bb8", yellow: "#cc9d00", text: "#24292e", gray: "#9fa7b0" };
  const color = (name) => colors[name] ?? name;
  const step = 15;
  const filled = (expr) => [["$__rate_interval", "60s"], ["$__range_s", String(to - from)], ["$__range", `${to - from}s`],
    ["$cluster", ".*"], ["$namespace", ".*"], ["$owner", ".*"]].reduce((text, [name, value]) => text.replaceAll(name, value), expr);
  const ask = async (path, more) => {
    const answer = await (await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(more)}`)).json();
    if (answer.status !== "success") throw new Error(`${more.query}: ${answer.error}`);
    return answer.data.result;
  };
  const results = [];
  const asked = async (panel) => Promise.all(panel.targets.map(async (target) => {
    const query = filled(target.expr);
    const found = target.range
      ? await ask("query_range", { query, start: from, end: to, step })
      : await ask("query", { query, time: to });
    results.push({ panel: panel.title, query, series: found.length });
    return { target, found };
  }));

  const number = (value, decimals) => {
    if (decimals != null) return value.toFixed(decimals);
    return Number.isInteger(value) ? String(value) : String(+value.toPrecision(3));
  };
  const span = (value, decimals) => {
    const all = Math.abs(value);
    if (all === 0) return "0 s";
    if (all < 1e-3) return `${number(value * 1e6)} µs`;
    if (all < 1) return `${number(value * 1e3)} ms`;
    if (all < 60) return `${number(value, decimals)} s`;
    if (all < 3600) return `${number(+(value / 60).toFixed(1))} min`;
    if (all < 86400) return `${number(+(value / 3600).toFixed(1))} h`;
    return `${number(+(value / 86400).toFixed(1))} d`;
  };
  const shown = (value, field) => {
    for (const mapping of field.mappings ?? []) {
      if (mapping.options[String(value)]?.text != null) return mapping.options[String(value)].text;
    }
    if (typeof value !== "number") return String(value ?? "");
    if (Number.isNaN(value)) return "-";
    switch (field.unit) {
      case "s": return span(value, field.decimals);
      case "percentunit": return `${number(value * 100, field.decimals ?? 1).replace(/[.]0$/, "")} %`;
      case "d": return `${number(value, field.decimals)} days`;
      case "reqps": return `${number(+value.toFixed(3))} /s`;
      case "dateTimeFromNow": {
        const left = value / 1000 - to;
        return left >= 0 ? `in ${span(left, 0)}` : `${span(-left, 0)} ago`;
      }
      default: return number(value, field.decimals);
    }
  };
  const painted = (value, field) => {
    for (const mapping of field.mappings ?? []) {
      if (mapping.options[String(value)]?.color) return color(mapping.options[String(value)].color);
    }
    const steps = field.thresholds?.steps ?? [];
    return color(steps.filter((at) => at.value == null || value >= at.value).at(-1)?.color ?? "text");
  };
  const legend = (target, labels) => (target.legendFormat
    ? target.legendFormat.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? "").trim()
    : Object.entries(labels).map(([name, value]) => `${name}="${value}"`).join(", "));

  const element = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text != null) made.textContent = text;
    return made;
  };
  const nothing = (body, panel) => body.append(element("div", "empty", panel.fieldConfig.defaults.noValue ?? "No data"));

  const draw = {
    stat(body, panel, answers) {
      const value = answers[0].found[0]?.value[1];
      if (value == null) return nothing(body, panel);
      const field = panel.fieldConfig.defaults;
      const made = element("div", "stat", shown(+value, field));
      made.style.color = painted(+value, field);
      body.append(made);
    },
    bargauge(body, panel, answers) {
      const field = panel.fieldConfig.defaults;
      let bars = answers.flatMap(({ target, found }) => found.map((one) => ({ name: legend(target, one.metric), le: one.metric.le, value: +one.value[1] })));
      if (answers[0].target.format === "heatmap") {
        bars.sort((a, b) => parseFloat(a.le.replace("+Inf", "Infinity")) - parseFloat(b.le.replace("+Inf", "Infinity")));
        bars = bars.map((bar, at) => ({ ...bar, value: bar.value - (bars[at - 1]?.value ?? 0) }));
      }
      if (!bars.length) return nothing(body, panel);
      const names = Object.fromEntries(panel.fieldConfig.overrides.map((one) => [one.matcher.options, one.properties[0].value]));
      bars = bars.map((bar) => ({ ...bar, name: names[bar.le ?? bar.name] ?? bar.name }));
      const most = field.max ?? Math.max(...bars.map((bar) => bar.value), 1e-9);
      for (const bar of bars) {
        const line = element("div", "bar");
        const track = element("div", "track"), fill = element("div", "fill");
        fill.style.width = `${Math.max(0, Math.min(100, (100 * bar.value) / most))}%`;
        fill.style.background = painted(bar.value, field);
        track.append(fill);
        const value = element("div", "value", shown(bar.value, field));
        value.style.color = painted(bar.value, field);
        line.append(element("div", "name", bar.name), track, value);
        body.append(line);
      }
    },
    table(body, panel, answers) {
      const many = answers.length > 1;
      let rows = [];
      const frames = answers.map(({ target, found }) => found.map((one) => {
        const { __name__, ...labels } = one.metric;
        return { ...labels, [many ? `Value #${target.refId}` : "Value"]: +one.value[1] };
      }));
      // Grafana's merge: rows of all frames that agree on the labels that every frame has.
      const names = frames.filter((frame) => frame.length).map((frame) => new Set(frame.flatMap(Object.keys)));
      const keys = names.length ? [...names[0]].filter((name) => !name.startsWith("Value") && names.every((set) => set.has(name))) : [];
      for (const frame of frames) {
        for (const row of frame) {
          const key = JSON.stringify(keys.map((name) => row[name] ?? ""));
          const known = rows.filter((other) => other.key === key && Object.keys(row).every((name) => !(name in other.row) || other.row[name] === row[name]));
          if (known.length) for (const other of known) Object.assign(other.row, row);
          else rows.push({ key, row: { ...row } });
        }
      }
      rows = rows.map(({ row }) => row);
      if (!rows.length) return nothing(body, panel);
      const overrides = Object.fromEntries(panel.fieldConfig.overrides.map((one) => [one.matcher.options, one.properties]));
      const hidden = panel.transformations?.[1]?.options.excludeByName ?? {};
      const order = panel.transformations?.[1]?.options.indexByName ?? {};
      const columns = [...new Set(rows.flatMap(Object.keys))].filter((name) => !hidden[name]).sort((a, b) => (order[a] ?? 99) - (order[b] ?? 99))
        .map((name) => {
          const field = { ...panel.fieldConfig.defaults, name, title: name };
          for (const { id, value } of overrides[name] ?? []) {
            if (id === "displayName") field.title = value || name;
            else if (id === "custom.cellOptions") field.cell = value.type;
            else field[id] = value;
          }
          return field;
        });
      const sort = panel.options.sortBy?.[0];
      const by = columns.find((field) => field.title === sort?.displayName)?.name;
      const less = (a, b) => (typeof (a ?? b) === "string" ? (a ?? "").localeCompare(b ?? "") : (a ?? -Infinity) - (b ?? -Infinity));
      if (by) rows.sort((a, b) => less(a[by], b[by]) * (sort.desc ? -1 : 1));
      const table = element("table"), head = element("tr");
      for (const field of columns) head.append(element("th", "", field.title));
      table.append(head);
      for (const row of rows) {
        const line = element("tr");
        for (const field of columns) {
          const value = row[field.name];
          const text = value == null || value === "" ? (value == null ? field.noValue ?? "" : "") : shown(value, field);
          const cell = element("td", field.links ? "link" : "");
          if (field.cell === "gauge" && value != null) {
            const track = element("span", "cell"), fill = element("b");
            fill.style.width = `${Math.max(0, Math.min(100, 100 * value))}%`;
            fill.style.background = painted(value, field);
            track.append(fill);
            cell.append(track);
          }
          if (field.cell === "color-text" && value != null) cell.style.color = painted(value, field);
          cell.append(text);
          cell.title = text;
          line.append(cell);
        }
        table.append(line);
      }
      body.append(table);
    },
    timeseries(body, panel, answers) {
      const field = panel.fieldConfig.defaults;
      const stacked = field.custom.stacking?.mode === "normal";
      const series = answers.flatMap(({ target, found }) => found.map((one) => ({ name: legend(target, one.metric), values: new Map(one.values.map(([at, value]) => [at, +value])) })));
      if (!series.length) return nothing(body, panel);
      const fixed = Object.fromEntries(panel.fieldConfig.overrides.map((one) => [one.matcher.options, color(one.properties[0].value.fixedColor)]));
      const times = [];
      for (let at = from; at <= to; at += step) times.push(at);
      const canvas = element("canvas");
      body.append(canvas);
      new Chart(canvas, {
        type: "line",
        data: {
          datasets: series.map(({ name, values }, index) => ({ name, values, paint: fixed[name] ?? palette[index % palette.length] })).map(({ name, values, paint }) => ({
            label: name,
            data: times.map((at) => ({ x: at, y: values.has(at) && !Number.isNaN(values.get(at)) ? values.get(at) : null })),
            borderColor: paint,
            backgroundColor: paint + (stacked ? "66" : "14"),
            fill: stacked ? "stack" : "origin", pointRadius: 0, borderWidth: 2, spanGaps: false, tension: 0,
          })),
        },
        options: {
          animation: false, responsive: true, maintainAspectRatio: false,
          plugins: { legend: { position: "bottom", labels: { boxWidth: 14, boxHeight: 2 } } },
          scales: {
            x: { type: "linear", min: from, max: to, ticks: { maxTicksLimit: 9, callback: (at) => new Date(at * 1000).toISOString().slice(11, 16) } },
            y: { min: field.min, stacked, ticks: { maxTicksLimit: 6, callback: (value) => shown(value, field) } },
          },
        },
      });
    },
    "state-timeline"(body, panel, answers) {
      const field = panel.fieldConfig.defaults;
      const series = answers.flatMap(({ target, found }) => found.map((one) => ({ name: legend(target, one.metric), values: one.values })));
      if (!series.length) return nothing(body, panel);
      const seen = new Set();
      for (const { name, values } of series) {
        const line = element("div", "strip"), track = element("div", "track");
        for (const [at, value] of values) {
          seen.add(String(+value));
          const part = element("b");
          part.style.left = `${(100 * (at - from)) / (to - from)}%`;
          part.style.width = `${Math.min(100 - (100 * (at - from)) / (to - from), (100 * step) / (to - from) + 0.1)}%`;
          part.style.background = painted(+value, field);
          track.append(part);
        }
        line.append(element("div", "name", name), track);
        body.append(line);
      }
      const line = element("div", "strip"), axis = element("div", "axis");
      const every = [60, 120, 300, 600, 900, 1800, 3600].find((span) => (to - from) / span <= 9) ?? 7200;
      for (let at = Math.ceil(from / every) * every; at <= to; at += every) {
        const mark = element("span", "", new Date(at * 1000).toISOString().slice(11, 16));
        mark.style.left = `${(100 * (at - from)) / (to - from)}%`;
        axis.append(mark);
      }
      line.append(element("div", "name"), axis);
      body.append(line);
      const words = element("div", "legend");
      for (const [value, mapping] of Object.entries(field.mappings[0].options)) {
        if (!seen.has(value)) continue;
        const one = element("span"), mark = element("b");
        mark.style.background = color(mapping.color);
        one.append(mark, mapping.text);
        words.append(one);
      }
      body.append(words);
    },
  };

  const header = document.querySelector("header");
  header.append(element("h1", "", board.title));
  for (const variable of board.templating.list.filter((one) => one.hide !== 2)) {
    header.append(element("span", "", `${variable.label}: ${variable.type === "datasource" ? "Prometheus" : variable.type === "textbox" ? variable.query : "All"}`));
  }
  for (const link of board.links) header.append(element("span", "link", link.title));
  const grid = document.querySelector("#grid");
  const [column, row, gap] = [grid.clientWidth / 24, 38, 8];
  let bottom = 0;
  for (const panel of board.panels) {
    const { x, y, w, h } = panel.gridPos;
    bottom = Math.max(bottom, (y + h) * row);
    const box = element("div", panel.type === "row" ? "row" : "panel");
    Object.assign(box.style, { left: `${x * column}px`, top: `${y * row}px`, width: `${w * column - gap}px`, height: `${h * row - gap}px` });
    grid.append(box);
    if (panel.type === "row") {
      box.textContent = panel.title;
      continue;
    }
    const title = element("h2", "", panel.title);
    title.append(element("i", "", "i"));
    if (panel.links?.length) title.append(element("small", "", "\u2197 runbook"));
    title.title = panel.description;
    const body = element("div", "body");
    box.append(title, body);
    draw[panel.type](body, panel, await asked(panel));
  }
  grid.style.height = `${bottom}px`;
  // What does not fit into its panel would be scrolled for in Grafana.
  window.cut = [...document.querySelectorAll(".body")].filter((body) => body.scrollHeight > body.clientHeight + 2)
    .map((body) => body.previousSibling.title);
  window.results = results;
  window.drawn = true;
})();
