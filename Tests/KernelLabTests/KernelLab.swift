import Foundation
import LabSupport
import Testing

/// A lab of this package with what Linux made of it.
struct KernelLab: Sendable, CustomTestStringConvertible {
  let name: String

  /// The first word of the name.
  var area: String { String(name.prefix { $0 != "-" }) }

  var testDescription: String { name }

  var source: URL { KernelLab.folder.appendingPathComponent("Labs/\(name).lab") }

  /// The text that the kernel's recording became.
  func golden(_ kind: CanonicalTexts.Kind) throws -> String {
    let file = KernelLab.folder.appendingPathComponent("Golden/\(name)/\(kind.fileName)")
    return try String(contentsOf: file, encoding: .utf8)
  }

  /// The folder of these tests.
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

  /// All labs in order of name, or those whose name begins with a word of `LABS=arp-,bridge-mtu`.
  static let all: [KernelLab] = {
    let wanted = ProcessInfo.processInfo.environment["LABS"]?.split(separator: ",") ?? []
    return names.filter { name in wanted.isEmpty || wanted.contains { name.hasPrefix($0) } }
      .map(KernelLab.init)
  }()

  /// The names of all labs, in order.
  static let names: [String] = names(in: "Labs", suffix: ".lab")

  /// The raw recordings that are kept here, by name.
  static let recordings: [String] = names(in: "Raw", suffix: "")

  private static func names(in subfolder: String, suffix: String) -> [String] {
    let path = folder.appendingPathComponent(subfolder).path
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return entries.filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }
      .sorted()
  }
}
