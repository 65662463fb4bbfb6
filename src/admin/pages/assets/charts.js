// Draws the charts of the overview in the colours of the page. Colours come from the style sheet, so that they follow the theme.
import uPlot from './uPlot.esm.js'

const height = 220
const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3], [4, 4]]
const maxSources = 4
const shownSeconds = 900
/** What is shown of it at least, when the server has just started. */
const leastSeconds = 300
const secondsInHour = 3600

/** @param {number} seconds */
const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 16)
/** The day at midnight, else the time. @param {number} seconds */
const dayOrClock = (seconds) =>
  seconds % 86_400 === 0 ? new Date(seconds * 1000).toISOString().slice(5, 10) : clock(seconds)

/** @param {number} seconds */
const inUtc = (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'UTC')
/** @param {uPlot} _ @param {number} __ @param {number} max @returns {[number, number]} */
const fromZero = (_, __, max) => [0, Math.max(1, max * 1.1)]

/** Until there is more than fits, the chart begins with the first sample. @param {uPlot} _ @param {number} first @param {number} last @returns {[number, number]} */
const sinceStart = (_, first, last) => [
  Math.min(Math.max(first, last - shownSeconds), last - leastSeconds),
  last,
]

/** No source is bad, so red comes last. @param {number} index */
const barColour = (index) => `--chart-${((index + 1) % (maxSources + 1)) + 1}`

const probe = document.createElement('span')
probe.hidden = true
// The colours tell the series apart, also where the browser chooses the colours of the page.
probe.style.forcedColorAdjust = 'none'
document.body.append(probe)

/** The colour that a custom property of the page has in the theme of now. @param {string} name */
function colour(name) {
  probe.style.color = `var(${name})`
  return getComputedStyle(probe).color
}

/** @param {(seconds: number) => string} format */
function axes(format) {
  const shared = {
    stroke: () => colour('--quiet'),
    grid: { stroke: () => colour('--line'), width: 1 },
    ticks: { stroke: () => colour('--line'), width: 1 },
  }
  return [
    {
      ...shared,
      space: 70,
      values: (/** @type {uPlot} */ _, /** @type {number[]} */ at) => at.map(format),
    },
    { ...shared, size: 56 },
  ]
}

/** Fits the chart to the width of its box. @param {uPlot} chart @param {HTMLElement} box */
export function fit(chart, box) {
  if (box.clientWidth !== chart.width) chart.setSize({ width: box.clientWidth, height })
}

/** @param {HTMLElement} box @param {string[]} labels @returns {uPlot} */
export function queryChart(box, labels) {
  box.hidden = false
  return new uPlot(
    {
      width: box.clientWidth,
      height,
      cursor: { show: false },
      legend: { live: false },
      axes: axes(clock),
      tzDate: inUtc,
      scales: {
        x: { range: sinceStart },
        y: { range: fromZero },
      },
      series: [
        {},
        ...labels.map((label, index) => ({
          label,
          stroke: () => colour(`--chart-${index + 1}`),
          width: 2,
          dash: dashes[index] ?? [],
          points: { show: false },
        })),
      ],
    },
    [[], ...labels.map(() => [])],
    box,
  )
}

/**
 * Draws bars on each other, one for each hour. Sources beyond the first few are one.
 * @param {HTMLElement} box @param {{ hours: number[], sources: { name: string, counts: number[] }[] }} evidence
 * @returns {uPlot}
 */
export function evidenceChart(box, { hours, sources }) {
  box.hidden = false
  const shown = sources.slice(0, maxSources)
  const rest = sources.slice(maxSources)
  if (rest.length > 0) {
    const counts = hours.map((_, hour) =>
      rest.reduce((sum, each) => sum + (each.counts[hour] ?? 0), 0),
    )
    shown.push({ name: 'others', counts })
  }
  // The bars of a series reach from zero over those of all series before it, so the last is drawn first.
  const stacked = shown.map((_, index) =>
    hours.map((__, hour) =>
      shown.slice(0, index + 1).reduce((sum, each) => sum + (each.counts[hour] ?? 0), 0),
    ),
  )
  const bars = uPlot.paths.bars?.({ size: [0.7, 40], align: 1 })
  return new uPlot(
    {
      width: box.clientWidth,
      height,
      cursor: { show: false },
      legend: { live: false },
      axes: axes(dayOrClock),
      tzDate: inUtc,
      scales: {
        x: { range: (_, first, last) => [first, last + secondsInHour] },
        y: { range: fromZero },
      },
      series: [
        {},
        ...shown
          .map(({ name }, index) => ({
            label: name,
            stroke: () => colour(barColour(index)),
            fill: () => colour(barColour(index)),
            width: 0,
            points: { show: false },
            ...(bars && { paths: bars }),
          }))
          .reverse(),
      ],
    },
    [hours, ...stacked.reverse()],
    box,
  )
}
