"use strict";

// Figures: colours are names of CSS variables, so that one figure serves light, dark and print.
const figures = JSON.parse(document.getElementById("figures").textContent);

function painted(value, style) {
  if (typeof value === "string" && value.startsWith("var(--")) {
    return style.getPropertyValue(value.slice(4, -1)).trim();
  }
  if (Array.isArray(value)) return value.map((part) => painted(part, style));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, painted(part, style)]));
  }
  return value;
}

function draw() {
  const style = getComputedStyle(document.documentElement);
  const family = getComputedStyle(document.body).fontFamily;
  for (const [id, figure] of Object.entries(figures)) {
    const { data, layout } = painted(figure, style);
    layout.font.family = family;
    Plotly.react(id, data, layout, { displayModeBar: false, responsive: true });
  }
}

if (Object.keys(figures).length) {
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("on-paper");
    draw();
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("on-paper");
    draw();
  });
}

// The gallery: a card stays where every filter that is set agrees. The address may set them: #verdict=wrong&q=cat
const filters = document.getElementById("filters");

function filterCards() {
  const { q, ...choices } = Object.fromEntries(new FormData(filters));
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const card of document.querySelectorAll("#cards > article")) {
    const text = `${card.textContent} ${card.dataset.search}`.toLowerCase();
    const chosen = Object.entries(choices).every(([name, value]) => !value || card.dataset[name] === value);
    card.hidden = !(chosen && words.every((word) => text.includes(word)));
    shown += card.hidden ? 0 : 1;
  }
  filters.querySelector("output").textContent = `${shown.toLocaleString("en")} shown`;
  document.getElementById("no-card").hidden = shown > 0;
}

function filtersFromAddress() {
  if (!location.hash.includes("=")) return;
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const field = filters.elements.namedItem(name);
    if (field) field.value = value;
  }
  filterCards();
}

if (filters) {
  filters.addEventListener("input", filterCards);
  filters.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("clear").addEventListener("click", () => {
    filters.reset();
    filterCards();
  });
  addEventListener("hashchange", filtersFromAddress);
  filtersFromAddress();
}
