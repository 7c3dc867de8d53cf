// Stat and bar gauge: `BigValue` and `BarGauge` of @grafana/ui, a box a value.
import { FieldType, getDisplayValueAlignmentFactors, getFieldDisplayValues } from '@grafana/data';
import { BarGauge, BigValue, VizRepeater, useTheme2 } from '@grafana/ui';

import { Nothing } from './nothing.jsx';

function Repeated({ draw, panel, autoGrid }) {
  const { data, fieldConfig, height, options, renderCounter, replaceVariables, timeZone, width } = panel;
  const theme = useTheme2();
  const reduceOptions = { calcs: ['lastNotNull'], values: false, ...options.reduceOptions };
  const values = () => getFieldDisplayValues({
    fieldConfig, reduceOptions, replaceVariables, theme, data: data.series, sparkline: options.graphMode === 'area', timeZone,
  });
  const empty = !data.series.some((frame) => frame.length && frame.fields.some((field) => field.type !== FieldType.time));
  return (
    <>
      {empty && <span className="nothing" style={{ display: 'none' }} />}
      <VizRepeater source={data} getValues={values} renderCounter={renderCounter} width={width} height={height} autoGrid={autoGrid}
        orientation={options.orientation ?? 'auto'} itemSpacing={3} minVizHeight={options.minVizHeight} minVizWidth={options.minVizWidth}
        getAlignmentFactors={getDisplayValueAlignmentFactors}
        renderValue={(props) => draw(props, theme)} />
    </>
  );
}

export function Stats(panel) {
  const { options } = panel;
  return (
    <Repeated panel={panel} autoGrid draw={({ value, alignmentFactors, width, height, count }, theme) => (
      <BigValue value={value.display} count={count} sparkline={value.sparkline} colorMode={options.colorMode ?? 'value'} theme={theme}
        graphMode={options.graphMode ?? 'none'} justifyMode={options.justifyMode} textMode={options.textMode} text={options.text}
        alignmentFactors={alignmentFactors} width={width} height={height} disableWideLayout={options.wideLayout === false} />
    )} />
  );
}

export function BarGauges(panel) {
  const { data, fieldConfig, options } = panel;
  if (!data.series.some((frame) => frame.length)) {
    return <Nothing fieldConfig={fieldConfig} />;
  }
  return (
    <Repeated panel={panel} draw={({ value, alignmentFactors, orientation, width, height, count }, theme) => (
      <BarGauge value={value.display} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)} theme={theme}
        width={width} height={height} orientation={orientation} text={options.text} displayMode={options.displayMode} itemSpacing={8}
        lcdCellWidth={12} alignmentFactors={count > 1 ? alignmentFactors : undefined} showUnfilled={options.showUnfilled}
        valueDisplayMode={options.valueMode} namePlacement={options.namePlacement} />
    )} />
  );
}
