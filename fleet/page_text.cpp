#include "fleet/page_text.hpp"

namespace agent_branch::fleet {

const char kStyle[] = R"(
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--text:#1c2024;--soft:#5b6470;--line:#e1e4e8;
--ready:#0f7b55;--busy:#1f6feb;--wait:#8a6500;--bad:#b3261e;--done:#6e7781}
@media(prefers-color-scheme:dark){:root{--bg:#101418;--card:#171c22;--text:#e6edf3;--soft:#9aa5b1;--line:#2b333c;
--ready:#3fc28d;--busy:#6cb0ff;--wait:#e0b341;--bad:#ff8a80;--done:#8b949e}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.45 system-ui,sans-serif}
header,main{max-width:76rem;margin:0 auto;padding:0 1rem}
header{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:baseline;padding-top:1rem}
h1{font-size:1.3rem;margin:0}h2{font-size:1.05rem;margin:1.6rem 0 .5rem}
#link{color:var(--soft)}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.3rem .6rem}
.numbers{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.6rem;margin:1rem 0 0;padding:0}
.numbers div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.5rem .8rem}
.numbers dt{color:var(--soft);font-size:.85rem}.numbers dd{margin:0;font-size:1.25rem;font-variant-numeric:tabular-nums}
.alarm{background:var(--card);border:1px solid var(--bad);border-left-width:.4rem;border-radius:.4rem;padding:.5rem .8rem;
margin:1rem 0 0;overflow-wrap:anywhere}
.tree,.tree ul{list-style:none;margin:0;padding-left:1.1rem}.tree{padding-left:0}
.tree ul{border-left:2px solid var(--line);margin-left:.4rem}
.tree li{padding:.12rem 0}
.state{display:inline-block;min-width:5.6rem;font-size:.82rem;font-weight:600}
.ready,.merged{color:var(--ready)}.creating,.migrating,.merging,.discarding{color:var(--busy)}.queued{color:var(--wait)}
.failed,.conflict{color:var(--bad)}.discarded,.expired{color:var(--done)}
.soft{color:var(--soft)}
details{background:var(--card);border:1px solid var(--line);border-radius:.4rem;margin:.3rem 0}
summary{padding:.4rem .7rem;cursor:pointer;overflow-wrap:anywhere}
summary:focus-visible,a:focus-visible{outline:3px solid var(--busy);outline-offset:1px}
details>div{padding:0 .9rem .7rem}
.table{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600;font-size:.85rem}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
td{overflow-wrap:anywhere;min-width:4rem}
svg.time{display:block;width:100%;height:auto;max-width:60rem}
svg.time text{font:11px system-ui,sans-serif;fill:var(--text)}
svg .state-bar{fill:var(--busy)}svg .step-bar{fill:var(--done)}svg .migration-bar{fill:var(--ready)}
svg .merge-bar{fill:var(--wait)}svg .wrong{fill:var(--bad)}
@media(prefers-reduced-motion:no-preference){.new{animation:grow .5s ease-out}
@keyframes grow{from{opacity:0;transform:translateX(-1rem)}to{opacity:1;transform:none}}}
)";

const char kScript[] = R"(
'use strict';
const link = document.getElementById('link');
const state = document.getElementById('state');
const known = () => new Set([...state.querySelectorAll('[data-key]')].map((one) => one.dataset.key));
let busy = false;
let again = false;
async function update() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const answer = await fetch('state');
    if (!answer.ok) throw new Error(answer.status);
    const open = new Set([...state.querySelectorAll('details[open]')].map((one) => one.id));
    const focused = document.activeElement?.closest('[id]')?.id;
    const before = known();
    state.innerHTML = await answer.text();
    for (const id of open) document.getElementById(id)?.setAttribute('open', '');
    for (const one of state.querySelectorAll('[data-key]'))
      if (!before.has(one.dataset.key)) one.classList.add('new');
    const there = focused && document.getElementById(focused);
    if (there && there.tagName === 'DETAILS') there.querySelector('summary').focus();
  } catch (error) {
    link.textContent = 'not connected';
  } finally {
    busy = false;
    if (again) { again = false; update(); }
  }
}
const events = new EventSource('events');
events.addEventListener('open', () => { link.textContent = 'live'; update(); });
events.addEventListener('changed', update);
events.addEventListener('error', () => { link.textContent = 'not connected; tries again'; });
)";

}  // namespace agent_branch::fleet
