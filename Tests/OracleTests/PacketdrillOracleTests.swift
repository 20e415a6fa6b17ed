import Hopyard
import LabSupport
import Testing

/// packetdrill's scripts: what Linux's TCP does, segment by segment.
@Suite struct PacketdrillOracleTests {
  @Test(.oracle("packetdrill/index.json"))
  func scriptsSeeWhatLinuxSends() throws {
    let folder = "packetdrill"
    var basic = OracleTally("\(folder)/basic")
    var other = OracleTally("\(folder)/other")
    for script in try Oracles.json("\(folder)/index.json")["tests"]?.elements ?? [] {
      guard let name = script["file"]?.string else { continue }
      // gVisor runs its scripts against hosts of many kinds; Linux needs 10 ms for some of them.
      let tolerance: Int64 = name.hasPrefix("gvisor/") ? 14_000 : 4000
      let outcome = try Self.outcome(of: Oracles.text("\(folder)/\(name)"), tolerance)
      if script["basic"]?.isTrue == true {
        basic.note(name, outcome)
      } else {
        other.note(name, outcome)
      }
    }
    basic.finish()
    other.finish()
  }

  private static func outcome(of text: String, _ tolerance: Int64) -> OracleTally.Outcome {
    do {
      let run = try PacketdrillRun(PacketdrillScript(text), tolerance: tolerance)
      try run.run()
      return .pass
    } catch PacketdrillRun.Ending.wrong(let what) {
      return .fail(what)
    } catch PacketdrillRun.Ending.skipped(let why) {
      return .skip(why)
    } catch let problem as PacketdrillScript.Problem {
      return .fail(problem.text)
    } catch {
      return .fail("\(error)")
    }
  }
}
