// What the modules tell each other. Nobody imports a neighbour to be told of its news.
//
//   task      {..payload}             a task as the server sees it now
//   journal   {task, start, end, lines}
//   gone      {task}                  it was deleted, or is not ours
//   stats     {..counts}
//   list      {filter, digest}
//   link      {live, since}           whether news arrive; since when not
//   changed   {root}                  new elements are on the page
//   worker    {identifier}            somebody here did something to it or to a task of it
//   done      {..answer}              what the server said to a form that posted without leaving the page
//   waiting   {count}                 answers that somebody waits for
//   poke      {}                      something was posted: look now
//   toast     {text, tone}

const target = new EventTarget();

export function tell(type, detail = {}) {
  target.dispatchEvent(new CustomEvent(type, { detail }));
}

export function hear(type, listener) {
  target.addEventListener(type, (event) => listener(event.detail));
}
