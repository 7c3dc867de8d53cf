// What a Grafana server's own page fills before a dashboard is shown, no more of it than its libraries ask for.
import {
  booleanOverrideProcessor, dataLinksOverrideProcessor, displayNameOverrideProcessor,
  EventBusSrv, LoadingState, identityOverrideProcessor, locationUtil, numberOverrideProcessor, selectOverrideProcessor,
  standardEditorsRegistry, standardFieldConfigEditorRegistry, standardTransformers, standardTransformersRegistry,
  stringOverrideProcessor, thresholdsOverrideProcessor, toDataFrame, unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import {
  config, setAppEvents, setBackendSrv, setDataSourceSrv, setPluginImportUtils,
  setPluginLinksHook, setRunRequest, setTemplateSrv,
} from '@grafana/runtime';
import { sceneGraph } from '@grafana/scenes';
import { from, map, startWith } from 'rxjs';

import { SOURCES, source } from './sources.js';

// Path of a setting -> how a value of an override is read. An override of any other setting is left out, as in Grafana.
const STANDARD = {
  unit: unitOverrideProcessor, min: numberOverrideProcessor, max: numberOverrideProcessor,
  fieldMinMax: booleanOverrideProcessor, decimals: numberOverrideProcessor,
  displayName: displayNameOverrideProcessor, color: identityOverrideProcessor, noValue: stringOverrideProcessor,
  links: dataLinksOverrideProcessor, actions: dataLinksOverrideProcessor,
  mappings: valueMappingsOverrideProcessor, thresholds: thresholdsOverrideProcessor,
  filterable: booleanOverrideProcessor, description: stringOverrideProcessor,
};

export async function boot() {
  await initPluginTranslations('grafana-scenes');
  setAppEvents(new EventBusSrv());
  locationUtil.initialize({ config, getVariablesUrlParams: () => ({}), getTimeRangeForUrl: timeInUrl });
  standardEditorsRegistry.setInit(() => []);
  standardFieldConfigEditorRegistry.setInit(() => Object.entries(STANDARD).map(([id, process]) => setting(id, process)));
  standardTransformersRegistry.setInit(() => Object.values(standardTransformers).map((each) => (
    { id: each.id, name: each.name, transformation: each, editor: () => null, imageDark: '', imageLight: '' }
  )));
  setTemplateSrv({
    getVariables: () => [], updateTimeRange: () => {}, containsTemplate: (text) => /\$/.test(text ?? ''),
    replace: (text, scoped, format) => sceneGraph.interpolate(scene(scoped), text, scoped, format),
  });
  setDataSourceSrv({
    get: async (ref, scoped) => source(named(ref, scoped)),
    getInstanceSettings: (ref, scoped) => source(named(ref, scoped)).instanceSettings,
    getList: ({ pluginId } = {}) => SOURCES.map((each) => each.instanceSettings).filter((each) => !pluginId || each.type === pluginId),
    reload: () => {},
  });
  setPluginImportUtils({
    importPanelPlugin: async (id) => { throw new Error(`no panel ${id}`); }, getPanelPluginFromCache: () => undefined,
  });
  setPluginLinksHook(() => ({ isLoading: false, links: [] }));
  setBackendSrv({ fetch: (request) => from(post(request)), get: async () => ({}), datasourceRequest: post });
  setRunRequest(run);
}

// Where nothing is said; the rest is nothing.
const DEFAULTS = {
  thresholds: { mode: 'absolute', steps: [{ value: -Infinity, color: 'green' }, { value: 80, color: 'red' }] },
  color: { mode: 'thresholds' }, mappings: [], links: [],
};

function setting(id, process) {
  const [shouldApply, defaultValue] = [() => true, DEFAULTS[id]];
  return { id, path: id, name: id, process, shouldApply, defaultValue, override: () => null, editor: () => null };
}

/** Settings of a panel's own, each kept as it is written: `{ lineWidth: 1, ... }`, setting -> what it is where none is given. */
export const custom = (defaults) => (builder) => {
  for (const [path, defaultValue] of Object.entries(defaults)) {
    builder.addCustomEditor({
      id: path, path, name: path, defaultValue, process: selectOverrideProcessor, shouldApply: () => true,
      override: () => null, editor: () => null,
    });
  }
};

function timeInUrl() {
  const range = window.greenwatch.time.state;
  return { from: range.from, to: range.to };
}

const scene = (scoped) => scoped?.__sceneObject?.value?.valueOf?.() ?? window.greenwatch.root;

function named(ref, scoped) {
  return sceneGraph.interpolate(scene(scoped), typeof ref === 'string' ? ref : ref?.uid ?? '', scoped);
}

async function post({ url, method, data, headers }) {
  const body = data && JSON.stringify(data);
  const answer = await fetch(url, { method, body, headers: { 'content-type': 'application/json', ...headers } });
  const response = { data: await answer.json(), status: answer.status, ok: answer.ok, config: { url } };
  if (!answer.ok) {
    throw response;
  }
  return response;
}

/** Grafana's runner of queries, without its streams and retries: an answer, or what went wrong. */
function run(datasource, request, own) {
  const asked = own ? own(request) : datasource.query(request);
  const begun = { series: [], timeRange: request.range, request };
  return (asked.subscribe ? asked : from(asked)).pipe(
    map((answer) => {
      const errors = answer.errors ?? (answer.error ? [answer.error] : []);
      const series = (answer.data ?? []).map((frame) => toDataFrame(frame));
      const state = errors.length ? LoadingState.Error : LoadingState.Done;
      return { ...begun, series, state, ...(errors.length ? { error: errors[0], errors } : {}) };
    }),
    startWith({ ...begun, state: LoadingState.Loading }),
  );
}
