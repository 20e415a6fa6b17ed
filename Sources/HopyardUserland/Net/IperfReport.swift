import HopyardSimulator

/// One stream of an `iperf3` test at one end.
final class IperfStream {
  let id: Int
  var bytes = 0
  /// Bytes when the present interval began.
  var intervalBytes = 0
  var packets = 0
  var intervalPackets = 0
  var lost = 0
  var intervalLost = 0
  /// Jitter of arriving datagrams in nanoseconds (RFC 3550 §6.4.1).
  var jitter: Double = 0
  var lastTransit: Int64?
  /// What the other end counted.
  var peerBytes = 0
  var peerPackets = 0
  var peerLost = 0
  var peerJitter: Double = 0

  init(id: Int) { self.id = id }
}

/// The texts of `iperf3` 3.12.
struct IperfReport {
  let isUDP: Bool
  let sends: Bool

  static let rule = "- - - - - - - - - - - - - - - - - - - - - - - - -\n"

  /// A size with two or three digits and a unit.
  private static func scaled(_ value: Double, _ step: Double, _ units: [String]) -> String {
    var value = value
    var unit = 0
    while value >= step, unit + 1 < units.count {
      value /= step
      unit += 1
    }
    let digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
    return DecimalText.fixed(value, digits).leftPadded(4) + " " + units[unit]
  }

  static func size(_ bytes: Int) -> String {
    scaled(Double(bytes), 1024, ["Bytes", "KBytes", "MBytes", "GBytes", "TBytes"])
  }

  static func rate(_ bytes: Int, _ seconds: Double) -> String {
    let bits = seconds > 0 ? Double(bytes) * 8 / seconds : 0
    return scaled(bits, 1000, ["bits", "Kbits", "Mbits", "Gbits", "Tbits"]) + "/sec"
  }

  func heading(isFinal: Bool) -> String {
    let start = "[ ID] Interval           Transfer     Bitrate"
    if !isUDP { return start + "\n" }
    return start
      + (sends && !isFinal
        ? "         Total Datagrams\n" : "         Jitter    Lost/Total Datagrams\n")
  }

  private func start(_ id: Int?, _ from: Double, _ to: Double, _ bytes: Int) -> String {
    let name = id.map { String($0).leftPadded(3) } ?? "SUM"
    return "[\(name)] \(DecimalText.fixed(from, 2).leftPadded(6))-"
      + DecimalText.fixed(to, 2).padded(6) + " sec  " + Self.size(bytes) + "  "
      + Self.rate(bytes, to - from)
  }

  private func datagrams(_ jitter: Double, _ lost: Int, _ total: Int) -> String {
    let share = total > 0 ? 100 * Double(lost) / Double(total) : 0
    return "  \(DecimalText.fixed(jitter / 1e6, 3)) ms  \(lost)/\(total) "
      + "(\(Self.general(share))%)  "
  }

  private static func general(_ value: Double) -> String {
    value == 0 ? "0" : value >= 10 ? DecimalText.fixed(value, 0) : DecimalText.fixed(value, 1)
  }

  /// The line of an interval; no identifier stands for the sum.
  func interval(
    _ id: Int?,
    _ from: Double,
    _ to: Double,
    bytes: Int,
    packets: Int,
    lost: Int,
    jitter: Double
  ) -> String {
    let text = start(id, from, to, bytes)
    if !isUDP { return text + "                  \n" }
    if sends { return text + "  \(packets)  \n" }
    return text + datagrams(jitter, lost, packets) + "\n"
  }

  /// The line of the whole test for one end.
  func total(
    _ id: Int?,
    _ time: Double,
    bytes: Int,
    packets: Int,
    lost: Int,
    jitter: Double,
    _ role: String
  ) -> String {
    let text = start(id, 0, time, bytes)
    if !isUDP { return text + "                  \(role)\n" }
    return text + datagrams(jitter, lost, packets) + "\(role)\n"
  }
}

/// A small reader and writer of the JSON that two `iperf3` exchange.
enum IperfJSON {
  /// The number behind a name; the first one from `start` on.
  static func number(_ name: String, in text: String) -> Double? {
    guard let place = text.firstRange(of: "\"\(name)\"") else { return nil }
    let rest = text[place.upperBound...].drop { $0 == ":" || $0 == " " || $0 == "\t" }
    return Double(rest.prefix { $0.isNumber || $0 == "-" || $0 == "." || $0 == "e" || $0 == "+" })
  }

  /// Whether a name has the value true.
  static func flag(_ name: String, in text: String) -> Bool {
    guard let place = text.firstRange(of: "\"\(name)\"") else { return false }
    return text[place.upperBound...].drop { $0 == ":" || $0 == " " || $0 == "\t" }.hasPrefix("true")
  }

  /// The texts of the objects in the array of streams.
  static func streams(in text: String) -> [String] {
    guard let place = text.firstRange(of: "\"streams\""),
      let open = text[place.upperBound...].firstIndex(of: "[")
    else { return [] }
    let body = text[open...].prefix { $0 != "]" }
    return body.split(separator: "{").dropFirst().map { String($0.prefix { $0 != "}" }) }
  }
}
