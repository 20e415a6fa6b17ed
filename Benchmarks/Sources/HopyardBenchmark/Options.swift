/// Command-line options of the form `--name value`, and what stands between them.
struct Options {
  struct Failure: Error, CustomStringConvertible {
    var message: String
    var description: String { message }
  }

  private var values: [String: String] = [:]
  private(set) var positional: [String] = []

  init(_ arguments: ArraySlice<String>) throws(Failure) {
    var rest = arguments
    while let argument = rest.popFirst() {
      guard argument.hasPrefix("--") else {
        positional.append(argument)
        continue
      }
      guard let value = rest.popFirst() else {
        throw Failure(message: "\(argument) needs a value")
      }
      values[String(argument.dropFirst(2))] = value
    }
  }

  subscript(name: String) -> String? { values[name] }

  func number(_ name: String, default standard: Double) throws(Failure) -> Double {
    guard let text = values[name] else { return standard }
    guard let value = Double(text), value > 0, value < 1e12 else {
      throw Failure(message: "--\(name): \"\(text)\" is not a positive number")
    }
    return value
  }

  /// Refuses what is not listed.
  func accept(_ names: [String], positional count: Int) throws(Failure) {
    for name in values.keys.sorted() where !names.contains(name) {
      throw Failure(
        message: "unknown option --\(name); expected --\(names.joined(separator: ", --"))"
      )
    }
    guard positional.count == count else {
      throw Failure(message: "expected \(count) argument(s), found \(positional.count)")
    }
  }
}
