// Shows one measure over thirty days as a table for screen readers, which Charts.css draws as columns. Preact sets `--size` through the
// CSSOM, since the page's Content-Security-Policy forbids style attributes in markup.
import type { UsageDay, UsageSums } from "../../contract/usage.ts";
import { type Measure, shortDate } from "./measures.ts";

interface Props {
  measure: Measure;
  days: readonly UsageDay[];
  today: UsageDay;
  total: UsageSums;
}

export function DayChart({ measure: { name, title, format }, days, today, total }: Props) {
  const max = Math.max(...days.map((day) => day[name]));
  const first = days.at(0)?.date ?? today.date;
  return (
    <section class="panel chart" aria-label={title}>
      <div class="chart-head">
        <h2>{title}</h2>
        <p>
          <strong>{format(today[name])}</strong> today
          <span class="fine"> · {format(total[name])} in 30 days</span>
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
              <td style={{ "--size": max === 0 ? 0 : day[name] / max }}>
                <span class="data">{format(day[name])}</span>
                <span class="tooltip" aria-hidden="true">
                  {shortDate(day.date)}: {format(day[name])}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="chart-foot fine" aria-hidden="true">
        <span>{shortDate(first)}</span>
        <span>max: {format(max)}</span>
        <span>{shortDate(today.date)}</span>
      </p>
    </section>
  );
}
