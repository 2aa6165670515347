// Gives the dashboard's page its theme before the kernel has drawn: the address's, else the browser's.
{
  const chosen = new URLSearchParams(location.search).get("theme")?.toLowerCase();
  const preferred = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  document.documentElement.dataset.theme = ["dark", "light"].includes(chosen) ? chosen : preferred;
}
