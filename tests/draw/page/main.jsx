// The page: `window.greenwatch.show(dashboard, dashboards, values, theme)` draws one; `state()` says how far it is and what it shows.
import { LoadingState, ThemeContext, createTheme } from '@grafana/data';
import { config } from '@grafana/runtime';
import { VizPanel, sceneGraph, sceneUtils } from '@grafana/scenes';
import { GlobalStyles } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { MemoryRouter } from 'react-router-dom';

import { boot } from './boot.js';
import { PANELS } from './panels/index.js';
import { scene } from './scene.js';
import { smaller } from './smaller.js';

const page = { ready: false, root: undefined, time: undefined, dashboards: [], show, state, smaller };
window.greenwatch = page;

async function show(dashboard, dashboards, values, mode) {
  await boot();
  for (const [pluginId, plugin] of Object.entries(PANELS)) {
    sceneUtils.registerRuntimePanelPlugin({ pluginId, plugin });
  }
  const theme = createTheme({ colors: { mode } });
  config.theme2 = theme;
  document.body.style.background = theme.colors.background.canvas;
  document.body.style.color = theme.colors.text.primary;
  Object.assign(page, { dashboards }, scene(dashboard, values));
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles isExtensionSidebarOpen={false} hackNoBackdropBlur={false} />
      <MemoryRouter><page.root.Component model={page.root} /></MemoryRouter>
    </ThemeContext.Provider>,
  );
  page.ready = true;
}

const OVER = [LoadingState.Done, LoadingState.Error];

/** Each panel: what it is called, whether it waits, what went wrong, how many rows it was given, where its links lead. */
function state() {
  const panels = sceneGraph.findAllObjects(page.root, (each) => each instanceof VizPanel);
  return panels.map((panel) => {
    const data = panel.state.$data ? sceneGraph.getData(panel).state.data : { state: LoadingState.Done, series: [] };
    const box = document.querySelector(`[data-viz-panel-key="${panel.state.key}"]`);
    const plugin = panel.getPlugin();
    return {
      id: Number(panel.state.key.replace('panel-', '')),
      kind: panel.state.pluginId,
      title: panel.interpolate(panel.state.title, undefined, 'text'),
      waits: !plugin || !data || !OVER.includes(data.state) || !box,
      errors: [panel.state._pluginLoadError, ...(data?.errors ?? []).map((each) => each.message ?? String(each.data?.message))].filter(Boolean),
      rows: (data?.series ?? []).reduce((sum, frame) => sum + frame.length, 0),
      nothing: Boolean(box?.querySelector('.nothing')),
      broken: Boolean(box?.querySelector('[data-testid="data-testid Alert error"]')),
      marks: (data?.annotations ?? []).reduce((sum, frame) => sum + frame.length, 0),
      links: [...(box?.querySelectorAll('a[href]') ?? [])].map((each) => each.getAttribute('href')),
      text: box?.innerText ?? '',
    };
  });
}
