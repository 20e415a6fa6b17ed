/// The outcome of one run of one workload: named figures, printed as `key=value` pairs on one line.
///
/// The line has the form that the peers' programs print, so that one reader serves all of them.
struct Measurement {
  private(set) var figures: [(name: String, value: Double)] = []

  init() {}

  /// Reads the last line of a program's output, either `key=value` pairs or one flat JSON object.
  init(parsing output: String) {
    let lines = output.split(separator: "\n")
    guard let line = lines.last else { return }
    let isJSON = line.hasPrefix("{")
    let fields = line.split { isJSON ? ($0 == "," || $0 == "{" || $0 == "}") : $0 == " " }
    for field in fields {
      guard let separator = field.firstIndex(of: isJSON ? ":" : "=") else { continue }
      let name = field[..<separator].filter { $0 != "\"" && $0 != " " }
      let text = field[field.index(after: separator)...].filter { $0 != " " }
      if let value = Double(text) { record(String(name), value) }
    }
  }

  subscript(name: String) -> Double? { figures.first { $0.name == name }?.value }

  mutating func record(_ name: String, _ value: Double) {
    figures.append((name, value))
  }

  var line: String {
    figures.map { "\($0.name)=\(Self.format($0.value))" }.joined(separator: " ")
  }

  private static func format(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
  }
}
