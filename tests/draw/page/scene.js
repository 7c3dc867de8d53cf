// A dashboard in classic JSON as a scene: variables, rows, panels, annotations.
import {
  ConstantVariable, CustomVariable, DataSourceVariable, EmbeddedScene, IntervalVariable, QueryVariable, SceneControlsSpacer,
  SceneDataLayerSet, SceneDataTransformer, SceneGridItem, SceneGridLayout, SceneGridRow, SceneQueryRunner,
  SceneReactObject, SceneRefreshPicker, SceneTimePicker, SceneTimeRange, SceneVariableSet, TextBoxVariable,
  VariableValueSelectors, VizPanel, behaviors, dataLayers,
} from '@grafana/scenes';

import { Header, PanelLinks } from './header.jsx';

export function scene(dashboard, values) {
  const time = new SceneTimeRange({ from: values.from ?? dashboard.time.from, to: values.to ?? dashboard.time.to, timeZone: dashboard.timezone });
  const layers = (dashboard.annotations?.list ?? []).filter((each) => each.target?.rawSql || each.expr).map((query) => (
    new dataLayers.AnnotationsDataLayer({ name: query.name, query, isEnabled: query.enable, isHidden: Boolean(query.hide) })
  ));
  const root = new EmbeddedScene({
    $timeRange: time,
    $variables: new SceneVariableSet({ variables: dashboard.templating.list.map((each) => variable(each, values)) }),
    $data: new SceneDataLayerSet({ layers }),
    $behaviors: [new behaviors.CursorSync({ sync: dashboard.graphTooltip })],
    controls: [
      new SceneReactObject({ component: Header, props: { dashboard } }),
      new VariableValueSelectors({}),
      new SceneControlsSpacer(),
      new SceneTimePicker({}),
      new SceneRefreshPicker({ intervals: [] }),
    ],
    body: new SceneGridLayout({ children: grid(dashboard.panels), isLazy: false }),
  });
  return { root, time };
}

/** Of `values` that of the address, else that of the file, else the first. */
function variable(model, values) {
  const own = values[model.name];
  const common = { name: model.name, label: model.label, hide: model.hide, skipUrlSync: true, description: model.description };
  const chosen = own ?? model.current?.value;
  const state = { ...common, ...(chosen === undefined ? {} : { value: chosen, text: own ?? model.current?.text ?? chosen }) };
  const several = { isMulti: model.multi, includeAll: model.includeAll, allValue: model.allValue || undefined };
  switch (model.type) {
    case 'datasource':
      return new DataSourceVariable({ ...state, pluginId: model.query, regex: model.regex });
    case 'query': {
      const { datasource, query, refresh, sort, regex } = model;
      return new QueryVariable({ ...state, ...several, datasource, query, refresh, sort, regex });
    }
    case 'custom':
      return new CustomVariable({ ...state, ...several, query: model.query });
    case 'constant':
      return new ConstantVariable({ ...common, value: model.query });
    case 'textbox':
      return new TextBoxVariable({ ...common, value: own ?? model.query });
    case 'interval':
      return new IntervalVariable({ ...state, intervals: model.query.split(','), autoEnabled: model.auto, autoStepCount: model.auto_count, autoMinInterval: model.auto_min });
    default:
      throw new Error(`no variable of type ${model.type}`);
  }
}

/** Panels below a row belong to it, until the next row; what a row holds closed is shown, and what follows moves down. */
function grid(panels) {
  const top = [];
  let [items, shift] = [top, 0];
  for (const panel of panels) {
    const item = placed(panel, shift);
    (panel.type === 'row' ? top : items).push(item);
    if (panel.type === 'row') {
      items = item.state.children;
      const own = panel.panels ?? [];
      items.push(...own.map((inner) => placed(inner, shift)));
      shift += own.length ? Math.max(...own.map((each) => each.gridPos.y + each.gridPos.h)) - panel.gridPos.y - 1 : 0;
    }
  }
  return top;
}

function placed(panel, shift) {
  const { x, y, w, h } = panel.gridPos;
  const place = { x, y: y + shift, width: w, height: h, isDraggable: false, isResizable: false };
  if (panel.type === 'row') {
    return new SceneGridRow({ key: `row-${panel.id}`, title: panel.title, y: y + shift, isCollapsed: false, children: [] });
  }
  return new SceneGridItem({ key: `item-${panel.id}`, ...place, body: viz(panel) });
}

function viz(panel) {
  const { datasource, targets, maxDataPoints, interval, timeFrom, transformations } = panel;
  const queries = (targets ?? []).filter((each) => !each.hide);
  const runner = new SceneQueryRunner({
    datasource, queries, maxDataPoints, minInterval: interval || undefined, maxDataPointsFromWidth: !maxDataPoints,
    dataLayerFilter: { panelId: panel.id },
    // A panel that keeps to a time of its own, up to now, wherever the page looks.
    ...(timeFrom ? { $timeRange: new SceneTimeRange({ from: `now-${timeFrom}`, to: 'now' }) } : {}),
  });
  return new VizPanel({
    key: `panel-${panel.id}`,
    pluginId: panel.type,
    title: panel.title,
    description: panel.description,
    options: panel.options ?? {},
    fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
    displayMode: panel.transparent ? 'transparent' : undefined,
    titleItems: panel.links?.length ? [new SceneReactObject({ component: PanelLinks, props: { links: panel.links, id: panel.id } })] : undefined,
    $data: queries.length ? new SceneDataTransformer({ $data: runner, transformations: transformations ?? [] }) : undefined,
  });
}
