// The two data sources of the dashboards: variables are put in by Grafana's own code, the rest is asked of the test.
import { DataFrameView, PluginType } from '@grafana/data';
import { DataSourceWithBackend } from '@grafana/runtime';
import { sceneGraph } from '@grafana/scenes';
import { lastValueFrom } from 'rxjs';

const INFO = { author: { name: '' }, description: '', links: [], logos: { large: '', small: '' }, screenshots: [], updated: '', version: '' };

class Source extends DataSourceWithBackend {
  constructor(uid, type, fields) {
    const meta = { id: type, name: type, type: PluginType.datasource, info: INFO, module: '', baseUrl: '', annotations: true, metrics: true };
    const settings = { id: 1, uid, type, name: uid, meta, readOnly: true, access: 'proxy', jsonData: {}, url: '' };
    super(settings);
    Object.assign(this, { instanceSettings: settings, fields, annotations: {} });
    this.interval = '1s';
  }

  applyTemplateVariables(query, scoped) {
    const asked = { ...query };
    for (const field of this.fields.filter((each) => typeof query[each] === 'string')) {
      asked[field] = sceneGraph.interpolate(scoped.__sceneObject.value.valueOf(), query[field], scoped, this.format);
    }
    return asked;
  }

  async metricFindQuery(query, { range, scopedVars }) {
    const asked = { range, scopedVars, targets: [{ ...query, datasource: this.getRef() }], intervalMs: 1000, maxDataPoints: 1000 };
    const answer = await lastValueFrom(this.query(asked));
    if (answer.errors?.length) {
      throw answer.errors[0];
    }
    const rows = answer.data.length ? new DataFrameView(answer.data[0]).toArray() : [];
    return rows.map((row) => ({ text: String(row.__text ?? row.__value), value: String(row.__value) }));
  }
}

class Sql extends Source {
  // As Grafana's SQL sources write a variable without a format.
  format = (value, variable) => {
    const quoted = (each) => String(each).replaceAll("'", "''");
    if (Array.isArray(value)) {
      return value.map((each) => `'${quoted(each)}'`).join(',');
    }
    return variable?.multi || variable?.includeAll ? `'${quoted(value)}'` : quoted(value);
  };
}

class Prometheus extends Source {
  format = (value) => (Array.isArray(value) ? `(${value.map(escaped).join('|')})` : escaped(value));
}

const escaped = (value) => String(value).replace(/[\\^$*+?.()|[\]{}/]/g, '\\\\$&');

export const SOURCES = [
  new Sql('greenwatch-sql', 'grafana-postgresql-datasource', ['rawSql']),
  new Prometheus('greenwatch-prom', 'prometheus', ['expr', 'legendFormat']),
];

export function source(uid) {
  const found = SOURCES.find((each) => each.uid === uid);
  if (!found) {
    throw new Error(`no data source ${uid}`);
  }
  return found;
}
