/* Behaviour of the quality site: language, sorting, filtering, row links, neighbouring days, charts. No network, no storage but the language. */
(function () {
  "use strict";
  var root = document.documentElement, body = document.body;
  function language() { return root.dataset.lang; }
  function each(selector, act, within) { Array.prototype.forEach.call((within || document).querySelectorAll(selector), act); }

  /* ---- language: the element at the top of the window stays where it is */
  function anchor() {
    var list = document.querySelectorAll("main h1, main h2, main h3, main tr, main p, main li, main figure");
    for (var i = 0; i < list.length; i++) {
      var box = list[i].getBoundingClientRect();
      if (box.height && box.bottom > 60) { return { element: list[i], top: box.top }; }
    }
    return null;
  }
  function speak() {
    var now = language();
    document.title = body.dataset[now === "en" ? "titleEn" : "titleZh"];
    each("[data-language]", function (button) { button.setAttribute("aria-pressed", String(button.dataset.language === now)); });
    each("[data-tip-zh]", function (item) {
      var tip = item.getAttribute("data-tip-" + now);
      if (item.tagName === "CANVAS") { item.setAttribute("aria-label", tip); } else { item.title = tip; }
    });
    each("input[data-zh]", function (input) { input.placeholder = input.getAttribute("data-" + now); });
    each("[data-shown]", function (item) { tellShown(item.dataset.shown); });
    each("a[href]", function (link) {
      var href = link.getAttribute("href");
      if (!/\.html($|[?#])/.test(href)) { return; }
      var parts = href.split("#"), path = parts[0].split("?")[0];
      link.setAttribute("href", path + (now === "en" ? "?lang=en" : "") + (parts[1] ? "#" + parts[1] : ""));
    });
  }
  function choose(next) {
    var kept = anchor();
    root.dataset.lang = next;
    root.lang = next === "en" ? "en" : "zh-Hans";
    try { localStorage.setItem("creditflow.language", next); } catch (refused) { /* private window: the choice lasts for the page */ }
    if (/[?&]lang=/.test(location.search)) {
      try { history.replaceState(null, "", location.pathname + location.hash); } catch (refused) { /* opened from disk */ }
    }
    speak();
    drawAll();
    if (kept && window.scrollY > 0) { window.scrollBy(0, kept.element.getBoundingClientRect().top - kept.top); }
  }
  each("[data-language]", function (button) { button.addEventListener("click", function () { choose(button.dataset.language); }); });

  /* ---- tables */
  var collator = new Intl.Collator("zh-Hans", { numeric: true });
  function compare(a, b) {
    var x = Number(a), y = Number(b);
    return a !== "" && b !== "" && !isNaN(x) && !isNaN(y) ? x - y : collator.compare(a, b);
  }
  each("table.sortable", function (table) {
    each("thead th", function (head, column) {
      var button = head.querySelector(".sort");
      if (!button) { return; }
      button.addEventListener("keydown", function (event) {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); button.click(); }
      });
      button.addEventListener("click", function () {
        var falling = head.getAttribute("aria-sort") === "ascending" || (!head.hasAttribute("aria-sort") && head.classList.contains("num"));
        each("thead th", function (other) { other.removeAttribute("aria-sort"); }, table);
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        var rows = Array.prototype.slice.call(table.tBodies[0].rows).map(function (row, place) {
          return { row: row, place: place, key: row.cells[column].dataset.sort };
        });
        rows.sort(function (a, b) {
          if (a.key === "" || b.key === "") { return a.key === b.key ? a.place - b.place : a.key === "" ? 1 : -1; }
          return (falling ? -1 : 1) * compare(a.key, b.key) || a.place - b.place;
        });
        var piece = document.createDocumentFragment();
        rows.forEach(function (item) { piece.appendChild(item.row); });
        table.tBodies[0].appendChild(piece);
      });
    }, table);
    table.addEventListener("click", function (event) {
      var row = event.target.closest("tr[data-href]");
      if (!row || event.target.closest("a, button") || String(window.getSelection())) { return; }
      location.href = row.dataset.href + (language() === "en" ? "?lang=en" : "");
    });
  });
  function tellShown(name) {
    var place = document.querySelector('[data-shown="' + name + '"]'), table = document.getElementById("table-" + name);
    if (!place || !table) { return; }
    var all = table.tBodies[0].rows.length, hidden = table.tBodies[0].querySelectorAll("tr[hidden]").length;
    place.textContent = hidden ? (language() === "en" ? (all - hidden) + " of " + all + " rows" : "显示 " + (all - hidden) + " / " + all + " 行") : "";
  }
  each("[data-filter]", function (input) {
    var table = document.getElementById("table-" + input.dataset.filter);
    input.addEventListener("input", function () {
      var words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      each("tbody tr", function (row) {
        var text = row.textContent.toLowerCase();
        row.hidden = !words.every(function (word) { return text.indexOf(word) >= 0; });
      }, table);
      tellShown(input.dataset.filter);
    });
  });

  /* ---- the day before and the day after, among the days that have pages */
  (function () {
    var links = document.querySelectorAll("[data-step]");
    if (!links.length) { return; }
    var days = window.CREDITFLOW_DAYS || [], place = days.indexOf(body.dataset.day);
    each("[data-step]", function (link) {
      var day = place < 0 ? undefined : days[place + Number(link.dataset.step)];
      if (day) { link.setAttribute("href", body.dataset.assets + "../" + day + "/" + body.dataset.here); } else { link.hidden = true; }
    });
  })();

  /* ---- charts */
  var charts = {}, span = {};
  var COLOURS = ["#1f5fa8", "#d97a0b", "#3a9ba5", "#7a4a9c", "#55606c"], DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 4]],
    MARKS = ["circle", "rect", "triangle", "rectRot", "crossRot"];
  function clock(minutes) {
    var total = Math.round(minutes * 60), h = Math.floor(total / 3600) % 24, m = Math.floor(total / 60) % 60, s = total % 60;
    function two(n) { return (n < 10 ? "0" : "") + n; }
    return two(h) + ":" + two(m) + (s ? ":" + two(s) : "");
  }
  function percent(value) { return (Math.floor(value * 1000 + 1e-6) / 10).toFixed(1) + "%"; }
  function format(unit, value) { return value === null || value === undefined ? "—" : unit === "share" ? percent(value) : Number(value).toLocaleString("en-US"); }
  function common() {
    return { responsive: true, maintainAspectRatio: false, animation: false, devicePixelRatio: Math.max(window.devicePixelRatio || 1, 2), interaction: { mode: "index", intersect: false } };
  }
  function drawLine(name, data) {
    var now = language(), size = Math.min(span[name] || 30, data.labels.length), from = data.labels.length - size, bars = data.type === "bars";
    var options = common();
    options.plugins = {
      legend: { position: "bottom", labels: { usePointStyle: !bars, boxWidth: 14, boxHeight: 8 } },
      tooltip: { callbacks: { label: function (item) { return item.dataset.label + " " + format(data.unit, item.parsed.y); } } }
    };
    options.scales = {
      x: { stacked: bars, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 14, callback: function (value) { return String(this.getLabelForValue(value)).slice(5); } } },
      y: { stacked: bars, beginAtZero: bars, grid: { color: "#ebeff3" }, max: undefined, ticks: { precision: bars ? 0 : undefined, callback: function (value) { return format(data.unit, value); } } }
    };
    if (data.unit === "share") {
      var known = [].concat.apply([], data.series.map(function (series) { return series.values.slice(from); })).filter(function (value) { return value !== null; });
      if (Math.min.apply(null, known) > 0.3) { options.scales.y.max = 1; } else { options.scales.y.beginAtZero = true; options.scales.y.suggestedMax = 0.02; }
      options.scales.y.ticks.callback = function (value) { return Math.round(value * 1000) / 10 + "%"; };
    }
    return {
      type: bars ? "bar" : "line",
      data: {
        labels: data.labels.slice(from),
        datasets: data.series.map(function (series, place) {
          var colour = bars ? ["#5f92c8", "#e0912b", "#8c3b06"][data.series.length === 1 ? 1 : place] : COLOURS[place % COLOURS.length];
          return {
            label: series[now], data: series.values.slice(from), borderColor: colour, backgroundColor: colour, borderWidth: bars ? 0 : 1.8,
            borderDash: bars ? [] : DASHES[place % DASHES.length], pointStyle: MARKS[place % MARKS.length], pointRadius: size > 40 ? 0 : 2.5, spanGaps: true, tension: 0, maxBarThickness: 26
          };
        })
      },
      options: options
    };
  }
  var cutOff = {
    id: "cutOff",
    afterDatasetsDraw: function (chart) {
      var at = chart.options.cutOff;
      if (at === null || at === undefined) { return; }
      var x = chart.scales.x.getPixelForValue(at), area = chart.chartArea, pen = chart.ctx;
      pen.save(); pen.strokeStyle = "#a63c06"; pen.lineWidth = 2; pen.setLineDash([5, 3]);
      pen.beginPath(); pen.moveTo(x, area.top); pen.lineTo(x, area.bottom + 5); pen.stroke();
      pen.fillStyle = "#a63c06"; pen.font = "12px " + Chart.defaults.font.family; pen.textAlign = "center";
      pen.fillText(language() === "en" ? "cut-off 05:00" : "截止 05:00", Math.min(x, area.right - 30), area.bottom + 18); pen.restore();
    }
  };
  function drawNight(name, data) {
    var now = language(), options = common();
    var steps = [
      ["取数", "taken in", "started", "received", "#9fb0c3"],
      ["到达至入库", "arrived to landed", "received", "landed", "#5f92c8"],
      ["入库至检查", "landed to gated", "landed", "gated", "#e0b04f"],
      ["检查至发布", "gated to published", "gated", "published", "#3a9ba5"]
    ];
    options.indexAxis = "y";
    options.cutOff = data.cut_off;
    options.layout = { padding: { bottom: data.cut_off === null ? 0 : 22 } };
    options.interaction = { mode: "index", axis: "y", intersect: false };
    options.plugins = {
      legend: { position: "top", align: "start", labels: { boxWidth: 14, boxHeight: 10 } },
      tooltip: { callbacks: { label: function (item) { return item.raw ? item.dataset.label + " " + clock(data.base_minute + item.raw[0]) + " – " + clock(data.base_minute + item.raw[1]) : ""; } }, filter: function (item) { return Boolean(item.raw); } }
    };
    options.scales = {
      x: { position: "top", min: 0, grid: { color: "#ebeff3" }, ticks: { maxRotation: 0, autoSkipPadding: 20, callback: function (value) { return clock(data.base_minute + value); } } },
      y: { grid: { display: false }, ticks: { autoSkip: false, font: { size: 11 }, callback: function (value) { var text = String(this.getLabelForValue(value)), most = now === "en" ? 34 : 18; return text.length > most ? text.slice(0, most - 1) + "…" : text; } } }
    };
    return {
      type: "bar",
      data: {
        labels: data.rows.map(function (row) { return row[now]; }),
        datasets: steps.map(function (step) {
          return {
            label: step[now === "en" ? 1 : 0], backgroundColor: step[4], grouped: false, barPercentage: 0.86, categoryPercentage: 0.9, minBarLength: 1,
            data: data.rows.map(function (row) { return row[step[2]] === null || row[step[3]] === null ? null : [row[step[2]], row[step[3]]]; })
          };
        })
      },
      options: options, plugins: [cutOff]
    };
  }
  function day(number) { return new Date(number * 864e5).toISOString().slice(0, 10); }
  function drawTimeline(name, data) {
    var now = language(), options = common();
    options.interaction = { mode: "nearest", intersect: true };
    options.plugins = { legend: { display: false }, tooltip: { callbacks: { label: function (item) { return data.rows[item.parsed.y][now] + " " + day(item.parsed.x); } } } };
    options.scales = {
      x: { type: "linear", grid: { color: "#ebeff3" }, ticks: { maxRotation: 0, autoSkipPadding: 24, callback: function (value) { return day(value).slice(0, 7); } } },
      y: { min: -0.6, max: data.rows.length - 0.4, reverse: true, grid: { display: false }, afterBuildTicks: function (axis) { axis.ticks = data.rows.map(function (row, place) { return { value: place }; }); }, ticks: { autoSkip: false, callback: function (value) { return data.rows[value] ? data.rows[value][now] : ""; } } }
    };
    var points = [];
    data.rows.forEach(function (row, place) { row.days.forEach(function (x) { points.push({ x: x, y: place }); }); });
    return { type: "scatter", data: { datasets: [{ data: points, pointRadius: 4, backgroundColor: "rgba(31,95,168,.55)", borderColor: "#1f5fa8" }] }, options: options };
  }
  function draw(canvas) {
    var name = canvas.dataset.chart, data = JSON.parse(document.getElementById("data-" + name).textContent), box = canvas.parentNode;
    if (box.dataset.rows) { box.style.height = Math.max(140, 70 + Number(box.dataset.rows) * (data.type === "timeline" ? 24 : 17)) + "px"; }
    if (charts[name]) { charts[name].destroy(); }
    charts[name] = new Chart(canvas, data.type === "timeline" ? drawTimeline(name, data) : data.rows ? drawNight(name, data) : drawLine(name, data));
  }
  function drawAll() { each("canvas[data-chart]", draw); }
  each("[data-window]", function (button) {
    button.addEventListener("click", function () {
      each('[data-for="' + button.dataset["for"] + '"]', function (other) { other.setAttribute("aria-pressed", String(other === button)); });
      button.dataset["for"].split(" ").forEach(function (name) {
        span[name] = Number(button.dataset.window);
        draw(document.getElementById("chart-" + name));
      });
    });
  });
  function refit() { Object.keys(charts).forEach(function (name) { charts[name].resize(); }); }
  window.addEventListener("beforeprint", function () { root.classList.add("printing"); refit(); });
  window.addEventListener("afterprint", function () { root.classList.remove("printing"); refit(); });

  if (window.Chart) {
    Chart.defaults.font.family = getComputedStyle(body).fontFamily;
    Chart.defaults.font.size = 12;
    Chart.defaults.color = "#45525f";
  }
  speak();
  drawAll();
})();
