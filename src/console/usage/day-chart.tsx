// One measure over thirty days, drawn by Charts.css: a table for whoever reads it, columns for whoever looks. The height of a column is
// set through the CSSOM, which the page's policy allows; markup with styles it would not.
import { type Day, type Measure, shortDate, type Sums } from "./measures.ts";

interface Props {
  measure: Measure;
  days: readonly Day[];
  today: Day;
  total: Sums;
}

export function DayChart({ measure: { name, title, write }, days, today, total }: Props) {
  const most = Math.max(...days.map((day) => day[name]));
  const first = days.at(0)?.date ?? today.date;
  return (
    <section class="panel chart" aria-label={title}>
      <div class="chart-head">
        <h2>{title}</h2>
        <p>
          <strong>{write(today[name])}</strong> today
          <span class="fine"> · {write(total[name])} in 30 days</span>
        </p>
      </div>
      <table class={`charts-css column data-spacing-1 show-primary-axis show-2-secondary-axes ${name}`}>
        <caption class="visually-hidden">{title} per day</caption>
        <thead>
          <tr>
            <th scope="col">Day</th>
            <th scope="col">{title}</th>
          </tr>
        </thead>
        <tbody>
          {days.map((day) => (
            <tr key={day.date}>
              <th scope="row">{shortDate(day.date)}</th>
              <td style={{ "--size": most === 0 ? 0 : day[name] / most }}>
                <span class="data">{write(day[name])}</span>
                <span class="tooltip" aria-hidden="true">
                  {shortDate(day.date)}: {write(day[name])}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="chart-foot fine" aria-hidden="true">
        <span>{shortDate(first)}</span>
        <span>most: {write(most)}</span>
        <span>{shortDate(today.date)}</span>
      </p>
    </section>
  );
}
