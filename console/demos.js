// The demos that this server shows: those that its own page lists, so that none stands here and not there.

/** Lists them; where there are none, nothing is shown. */
export async function listDemos() {
  const list = document.getElementById('demos');
  const index = new URL('demos/', document.baseURI);
  const links = await linksOf(index).catch(() => []);
  for (const link of links) {
    const shown = document.createElement('a');
    shown.href = new URL(link.getAttribute('href'), index);
    shown.textContent = (link.querySelector('h2, h3, strong') ?? link).textContent.trim();
    list.append(shown);
  }
  list.hidden = links.length === 0;
}

/** The links to folders of its own. */
async function linksOf(index) {
  const answer = await fetch(index);
  if (!answer.ok) return [];
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const leads = (link) => /^[\w-]+\/$/.test(link.getAttribute('href'));
  return [...page.querySelectorAll('a[href]')].filter(leads);
}
