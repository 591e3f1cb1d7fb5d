import t from 'tap'
import { machineClock } from '../../src/platform/time/clock.ts'
import type { Report } from '../../src/sync-query/report/report.ts'
import { ReportPusher } from '../../src/xapi-notify/report-pusher.ts'
import { hostOf, SR } from '../host-state/host-under-test.ts'

t.test(
  'the pusher sends transitions at once and progress at its pace, retries until success, and sends only the newest report',
  async t => {
    const pace = { progressEveryMs: 20, firstRetryMs: 1, lastRetryMs: 2 }
    const arrived: number[] = []
    let value = 0
    let refusals = 2
    const made: () => Report = () => ({ ...(agentReport as Report), seq: value })
    const helper = hostOf()
    const agentReport = helper.host.report(SR)
    const pusher = new ReportPusher(
      made,
      {
        push: async report => {
          if (refusals-- > 0) throw new Error('the toolstack is away')
          arrived.push(report.seq)
        },
      },
      machineClock,
      pace,
    )
    const settled = async (isSo: () => boolean) => {
      const deadline = Date.now() + 5000
      while (!isSo() && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 1))
    }
    value = 1
    pusher.want('transition')
    await settled(() => pusher.failures === 1)
    value = 2
    await settled(() => arrived.length === 1)
    t.strictSame(arrived, [2], 'what arrives after an outage is the truth of then, once')
    t.equal(pusher.failures, 0)
    value = 3
    pusher.want('news')
    pusher.want('news')
    value = 4
    await settled(() => arrived.length === 2)
    t.strictSame(arrived, [2, 4])
    value = 5
    pusher.want('transition')
    await settled(() => arrived.length === 3)
    t.strictSame(arrived, [2, 4, 5])
    await pusher.close()
    pusher.want('transition')
    t.equal(arrived.length, 3, 'nothing after it was closed')
    await helper.host.close()
  },
)
