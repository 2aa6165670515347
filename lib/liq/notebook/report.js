// Draws the figures of a report, each from the JSON that stands in its element.
for (const slot of document.querySelectorAll('script[type="application/vnd.plotly.v1+json"]')) {
  const { data, layout } = JSON.parse(slot.textContent);
  Plotly.newPlot(slot.parentElement, data, layout, { displaylogo: false, responsive: true });
}
