public import HopyardSimulator

/// Prints packets' journeys as text, a line for each step.
///
///     0.001021  #12  c1 eth0    output        sent by this host, dev eth0
///     0.001044  #12  host br0   forward       filter FORWARD 3: -i br0 -j ACCEPT  => ACCEPT
///
/// The number after `#` follows a packet through NAT and tunnels.
public final class ExplanationText: Tracer {
  private let write: (String) -> Void

  /// Makes a printer that gives each line, with its newline, to `write`.
  public init(write: @escaping (String) -> Void) { self.write = write }

  /// Writes one step as a line of text.
  public func record(_ step: TraceStep) { write(Self.line(step)) }

  /// One step as a line.
  static func line(_ step: TraceStep) -> String {
    var line = time(step.time) + pad("  #\(step.packet)", to: 9)
    line += pad(step.device.isEmpty ? step.namespace : "\(step.namespace) \(step.device)", to: 18)
    line += " " + pad(step.stage, to: 12) + " "
    if !step.table.isEmpty {
      line += "\(step.table) \(step.chain)"
      if let rule = step.rule { line += rule == 0 ? " policy" : " \(rule)" }
      line += step.text.isEmpty || step.text == "policy" ? "" : ": "
    }
    if step.text != "policy" { line += step.text }
    if !step.verdict.isEmpty {
      line += step.text.isEmpty && step.table.isEmpty ? step.verdict : "  => \(step.verdict)"
    }
    if !step.before.isEmpty {
      line += "  [\(step.before)  ->  \(step.after)]"
    } else if !step.after.isEmpty {
      line += "  [\(step.after)]"
    }
    return line + "\n"
  }

  /// Seconds with six decimals, right-aligned.
  static func time(_ instant: Instant) -> String {
    let microseconds = instant.nanoseconds / 1_000
    let fraction = String(1_000_000 + microseconds % 1_000_000).dropFirst()
    let text = "\(microseconds / 1_000_000).\(fraction)"
    return String(repeating: " ", count: max(0, 11 - text.count)) + text
  }

  private static func pad(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}

/// Prints packets' journeys as JSON lines, an object for each step.
///
/// The keys are `time` (seconds), `packet`, `namespace`, `device`, `stage`, `table`, `chain`,
/// `rule`, `text`, `verdict`, `before` and `after`; what does not apply is null.
public final class ExplanationJSON: Tracer {
  private let write: (String) -> Void

  /// Makes a printer that gives each line, with its newline, to `write`.
  public init(write: @escaping (String) -> Void) { self.write = write }

  /// Writes one step as a line of JSON.
  public func record(_ step: TraceStep) { write(Self.line(step)) }

  static func line(_ step: TraceStep) -> String {
    let nanoseconds = step.time.nanoseconds
    let fraction = String(1_000_000_000 + nanoseconds % 1_000_000_000).dropFirst()
    let fields = [
      ("time", "\(nanoseconds / 1_000_000_000).\(fraction)"),
      ("packet", String(step.packet)),
      ("namespace", quoted(step.namespace)),
      ("device", quoted(step.device)),
      ("stage", quoted(step.stage)),
      ("table", quoted(step.table)),
      ("chain", quoted(step.chain)),
      ("rule", step.rule.map { String($0) } ?? "null"),
      ("text", quoted(step.text)),
      ("verdict", quoted(step.verdict)),
      ("before", quoted(step.before)),
      ("after", quoted(step.after)),
    ]
    return "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}\n"
  }

  private static func quoted(_ text: String) -> String {
    guard !text.isEmpty else { return "null" }
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
