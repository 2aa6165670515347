// Draws the figures of a report from the JSON in their elements.
for (const slot of document.querySelectorAll('script[type="application/vnd.plotly.v1+json"]')) {
  const { data, layout } = JSON.parse(slot.textContent);
  Plotly.newPlot(slot.parentElement, data, layout, { displaylogo: false, responsive: true });
}
