public import HopyardCapture
public import HopyardSimulator

/// What became of one flow: a packet, and the answer to it.
public struct FlowReport: Sendable, CustomStringConvertible {
  /// How a flow ends.
  public enum Result: String, Sendable {
    /// The answer came back.
    case reply
    /// A reset or an ICMP error came back.
    case refused
    /// Nothing came back in time.
    case timeout
    /// The name has no address.
    case nxdomain
    /// The sender has no route, or an ICMP error says that there is none.
    case unreachable
  }

  /// The flow in words, such as `client > 192.0.2.10:80/tcp`.
  public var title: String
  /// How it ended.
  public var result: Result
  /// The steps of the request.
  public var request: [TraceStep] = []
  /// The steps of the answer.
  public var reply: [TraceStep] = []
  /// The name of the fate of the packet that ended the flow, or `delivered`.
  public var fate = "delivered"
  /// The step that decided that the flow did not arrive.
  public var cause: TraceStep?

  /// Whether request and answer arrived.
  public var arrived: Bool { result == .reply }

  /// The first cause in words; empty if the flow arrived.
  public var causeText: String {
    guard let cause else {
      switch result {
      case .reply: return ""
      case .nxdomain: return "the name has no address"
      case .timeout: return "the request was delivered, and nobody answered"
      default: return "the sender has no way to send it"
      }
    }
    let place = cause.device.isEmpty ? cause.namespace : "\(cause.namespace) \(cause.device)"
    guard !cause.table.isEmpty else {
      return "\(fate) at \(place)" + (cause.text.isEmpty ? "" : ": \(cause.text)")
    }
    let number = cause.rule.map { $0 == 0 ? " policy" : " \($0)" } ?? ""
    let text = cause.text.isEmpty || cause.text == "policy" ? "" : ": \(cause.text)"
    return "\(fate) at \(place), \(cause.table) \(cause.chain)\(number)\(text)"
  }

  /// The result, the cause and the path, one step a line.
  public var description: String {
    var text = "\(title): \(result.rawValue)"
    if !causeText.isEmpty { text += " (\(causeText))" }
    text += "\n"
    for (name, steps) in [("request", request), ("reply", reply)] where !steps.isEmpty {
      text += "\(name):\n"
      let printer = ExplanationText { text += $0 }
      for step in steps { printer.record(step) }
    }
    return text
  }

  /// The report as JSON: `{"arrived","fate","cause","request","reply"}`.
  public var json: String {
    func list(_ steps: [TraceStep]) -> String {
      var parts: [String] = []
      let printer = ExplanationJSON { parts.append(String($0.dropLast())) }
      for step in steps { printer.record(step) }
      return "[" + parts.joined(separator: ",") + "]"
    }
    func text(_ value: String?) -> String {
      value.map { $0.isEmpty ? "null" : ScenarioSchema.quoted($0) } ?? "null"
    }
    var causeJSON = "null"
    if let cause {
      causeJSON =
        "{\"namespace\":\(text(cause.namespace)),\"device\":\(text(cause.device)),"
        + "\"hook\":\(text(cause.stage)),\"table\":\(text(cause.table)),"
        + "\"chain\":\(text(cause.chain)),\"rule\":\(cause.rule.map { "\($0)" } ?? "null"),"
        + "\"text\":\(text(cause.text.isEmpty ? fate : cause.text))}"
    }
    return "{\"arrived\":\(arrived),\"fate\":\(text(arrived ? "delivered" : fate)),"
      + "\"cause\":\(causeJSON),\"request\":\(list(request)),\"reply\":\(list(reply))}"
  }
}

/// Collects the steps of all packets while a flow is tried, and finds those of the flow.
final class FlowTracer: Tracer {
  private(set) var steps: [TraceStep] = []
  /// How many steps are kept; a storm may not fill the memory.
  private static let limit = 200_000

  func record(_ step: TraceStep) {
    if steps.count < Self.limit { steps.append(step) }
  }

  /// Sorts the steps of a flow from `sender` to `destination` into a report.
  ///
  /// The flow's first packet is the request: what happened to it is the first cause, whatever
  /// repetitions meet later.
  func fill(_ report: inout FlowReport, sender: String, protocol name: String, destination: String) {
    func isFlow(_ step: TraceStep, _ end: String) -> Bool {
      [step.before, step.after].contains { summary in
        guard let line = PacketLine(summary) else { return false }
        return line.protocol == name && line.destination == end
      }
    }
    guard
      let first = steps.first(where: { $0.namespace == sender && isFlow($0, destination) })
    else { return }
    report.request = requestSteps(of: first)
    let delivered = report.request.last { step in
      guard step.stage == "deliver", let line = PacketLine(step.after) else { return false }
      // The outer packet of a tunnel is delivered on the way.
      return line.protocol == name && !line.isTunnel
    }
    if let delivered { fillReply(&report, first, delivered) }
    guard report.result != .reply else { return }
    if delivered == nil, let drop = Self.cause(in: report.request) {
      note(drop, report.request, &report)
    } else if let drop = Self.cause(in: report.reply) {
      note(drop, report.reply, &report)
    }
  }

  /// The step that ended a packet; copies that a switch or bridge sent elsewhere do not count where
  /// there is another.
  private static func cause(in steps: [TraceStep]) -> TraceStep? {
    let drops = steps.filter { $0.stage == "drop" }
    return drops.last { $0.verdict != "not-for-us" && $0.verdict != "bridge-blocked" } ?? drops.last
  }

  /// The steps of a packet without those of an ICMP error about it, which has the same number.
  private func requestSteps(of first: TraceStep) -> [TraceStep] {
    let isICMP = [first.before, first.after].contains { PacketLine($0)?.protocol == "icmp" }
    var list: [TraceStep] = []
    // Where the error was made, and whether it is on its way.
    var maker: String?
    for step in steps where step.packet == first.packet {
      let summary = step.after.isEmpty ? step.before : step.after
      if !isICMP, PacketLine(summary)?.protocol == "icmp" {
        maker = maker ?? step.namespace
        continue
      }
      if let maker, summary.isEmpty {
        let isRequest =
          step.namespace == maker && step.stage != "output" && step.stage != "postrouting"
        if !isRequest { continue }
      }
      list.append(step)
    }
    return list
  }

  private func fillReply(
    _ report: inout FlowReport,
    _ first: TraceStep,
    _ delivered: TraceStep
  ) {
    guard let summary = PacketLine(delivered.after) else { return }
    let answer = steps.first { step in
      guard step.time >= delivered.time, step.namespace == delivered.namespace,
        let line = PacketLine(step.after)
      else { return false }
      return line.protocol == summary.protocol && line.destination == summary.source
        && (step.packet != first.packet || summary.protocol == "icmp")
    }
    guard let answer else { return }
    report.reply = steps.filter { step in
      step.packet == answer.packet && step.time >= delivered.time
        && (answer.packet != first.packet || !report.request.contains { $0.time == step.time && $0.stage == step.stage })
    }
  }

  /// Takes the rule's text from the step in which it was met.
  private func note(_ drop: TraceStep, _ steps: [TraceStep], _ report: inout FlowReport) {
    report.fate = drop.verdict
    var cause = drop
    if !drop.table.isEmpty,
      let rule = steps.last(where: {
        $0.stage != "drop" && $0.table == drop.table && $0.chain == drop.chain
          && $0.rule == drop.rule
      })
    {
      cause.text = rule.text
      cause.stage = rule.stage
    }
    report.cause = cause
  }
}

/// A packet's one-line summary, taken apart.
struct PacketLine {
  var `protocol`: String
  var source: String
  var destination: String

  /// Reads `udp 10.0.0.1:53 > 10.0.0.2:4000 …` or `10.0.0.1:53 > 10.0.0.2:4000 udp …`.
  init?(_ text: String) {
    let words = text.split(separator: " ", maxSplits: 5).map(String.init)
    guard let mark = words.firstIndex(of: ">"), mark == 1 || mark == 2, words.count > mark + 1 else {
      return nil
    }
    source = words[mark - 1]
    destination = words[mark + 1]
    if mark == 2 {
      `protocol` = words[0]
    } else {
      guard words.count > 3 else { return nil }
      `protocol` = words[3]
    }
  }

  /// Whether it is the outer packet of VXLAN.
  var isTunnel: Bool {
    `protocol` == "udp" && (destination.hasSuffix(":8472") || destination.hasSuffix(":4789"))
  }
}
