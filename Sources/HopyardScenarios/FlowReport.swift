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
  func fill(_ report: inout FlowReport, sender: String, protocol name: String, destination: String)
  {
    func isFlow(_ step: TraceStep, _ end: String) -> Bool {
      [step.before, step.after].contains { summary in
        guard let line = PacketLine(summary) else { return false }
        return line.protocol == name && line.destination == end
      }
    }
    guard
      let first = steps.first(where: { $0.namespace == sender && isFlow($0, destination) })
    else { return }
    let parts = split(first)
    report.request = parts.request
    report.reply = parts.answer
    let delivered = report.request.last { step in
      guard step.stage == "deliver", let line = PacketLine(step.after) else { return false }
      // The outer packet of a tunnel is delivered on the way.
      return line.protocol == name && !line.isTunnel
    }
    if let delivered, report.reply.isEmpty { report.reply = replySteps(first, delivered) }
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

  /// The steps of a packet, apart from those of an answer that has the same number: an echo reply,
  /// an ICMP error, the reset of a closed port.
  private func split(_ first: TraceStep) -> (request: [TraceStep], answer: [TraceStep]) {
    var request: [TraceStep] = []
    var answer: [TraceStep] = []
    var current = PacketLine(first.before) ?? PacketLine(first.after)
    // Where the answer was made, once there is one.
    var maker: String?
    for step in steps where step.packet == first.packet {
      let before = PacketLine(step.before)
      guard let line = PacketLine(step.after) ?? before else {
        // A rule that the packet met unchanged.
        let isAnswer =
          maker.map {
            step.namespace != $0 || step.stage == "output" || step.stage == "postrouting"
          } ?? false
        if isAnswer { answer.append(step) } else { request.append(step) }
        continue
      }
      let known = before ?? line
      if let current, known.sourceHost != current.sourceHost,
        known.destinationHost == current.sourceHost
          || maker != nil && known.protocol != current.protocol
          || maker != nil
            && answer.last.flatMap { PacketLine($0.after) }?.sourceHost == known.sourceHost
      {
        maker = maker ?? step.namespace
        answer.append(step)
        continue
      }
      request.append(step)
      if !line.isTunnel || current?.protocol == "udp" { current = line }
    }
    return (request, answer)
  }

  /// The steps of the packet that answers what was delivered.
  private func replySteps(_ first: TraceStep, _ delivered: TraceStep) -> [TraceStep] {
    guard let summary = PacketLine(delivered.after) else { return [] }
    let answer = steps.first { step in
      guard step.time >= delivered.time, step.namespace == delivered.namespace,
        step.packet != first.packet, let line = PacketLine(step.after)
      else { return false }
      return line.protocol == summary.protocol && line.destination == summary.source
    }
    guard let answer else { return [] }
    return steps.filter { $0.packet == answer.packet && $0.time >= delivered.time }
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
    guard let mark = words.firstIndex(of: ">"), mark == 1 || mark == 2, words.count > mark + 1
    else {
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

  /// The sender's address without the port.
  var sourceHost: Substring { source.prefix { $0 != ":" } }

  /// The receiver's address without the port.
  var destinationHost: Substring { destination.prefix { $0 != ":" } }

  /// Whether it is the outer packet of VXLAN.
  var isTunnel: Bool {
    `protocol` == "udp" && (destination.hasSuffix(":8472") || destination.hasSuffix(":4789"))
  }
}
