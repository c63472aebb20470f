import { h } from "./dom";

export interface Page {
  title: string;
  element: HTMLElement;
  stop(): void;
}

export type Routes = Record<string, () => Page>;

/** Shows the page of the present address and follows links within the site. */
export function startRouter(routes: Routes, main: HTMLElement, site: string): void {
  let current: Page | undefined;
  let address = "";
  const show = (focus: boolean) => {
    current?.stop();
    address = location.pathname;
    const path = location.pathname.replace(/(.)\/$/, "$1");
    current = (routes[path] ?? notFound)();
    document.title = `${current.title} · ${site}`;
    main.replaceChildren(current.element);
    for (const link of document.querySelectorAll("nav a")) mark(link, link.getAttribute("href") === path);
    // A screen reader and the keyboard start where the new page starts.
    if (focus) main.querySelector<HTMLElement>("h1")?.focus();
  };
  // The skip link changes the fragment only, which is no other page.
  addEventListener("popstate", () => location.pathname !== address && show(true));
  document.addEventListener("click", (event) => {
    const link = (event.target as Element).closest("a");
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.defaultPrevented || link.origin !== location.origin || link.hash) return;
    event.preventDefault();
    if (link.pathname !== location.pathname) history.pushState(null, "", link.pathname);
    show(true);
  });
  show(false);
}

export function heading(text: string): HTMLElement {
  return h("h1", { tabindex: "-1" }, text);
}

function mark(link: Element, here: boolean): void {
  if (here) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
}

function notFound(): Page {
  const element = h("div", { class: "page" }, heading("Nothing here"), h("p", {}, "This page does not exist. ", h("a", { href: "/" }, "To the chat")));
  return { title: "Nothing here", element, stop: () => undefined };
}
