/** What a panel says that was given no rows. */
export function Nothing({ fieldConfig }) {
  return <div className="nothing">{fieldConfig?.defaults?.noValue || 'No data'}</div>;
}
