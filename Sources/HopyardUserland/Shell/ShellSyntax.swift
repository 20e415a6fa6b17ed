// The syntax tree. Every node carries the offset, in its file, of the byte where it begins.

/// Commands one after the other.
public struct CommandList: Sendable {
  /// The commands in the order in which they run.
  public var items: [ListItem] = []
}

/// A chain of pipelines, ended by `;`, a new line or `&`.
public struct ListItem: Sendable {
  /// The pipeline that always runs.
  public var first: Pipeline
  /// The pipelines after it, each behind `&&` (`isAnd`) or `||`.
  public var rest: [(isAnd: Bool, pipeline: Pipeline)] = []
  /// Whether the chain ends with `&` and runs in the background.
  public var isBackground = false
}

/// Commands joined by `|`.
public struct Pipeline: Sendable {
  /// Where it begins in the file, in bytes.
  public var offset: Int
  /// Whether `!` inverts its exit status.
  public var isNegated = false
  /// Whether `time` measures it.
  public var isTimed = false
  /// Its commands, from the first writer to the last reader.
  public var commands: [ShellCommand]
}

/// One command, simple or compound, with its redirections.
public struct ShellCommand: Sendable {
  /// Where it begins in the file, in bytes.
  public var offset: Int
  /// What kind of command it is, with its parts.
  public var kind: Kind
  /// Its redirections, in the order in which they are made.
  public var redirections: [Redirection] = []

  /// What kind of command it is.
  public indirect enum Kind: Sendable {
    case simple(assignments: [Assignment], words: [Word])
    case group(CommandList)
    case subshell(CommandList)
    case condition(branches: [(test: CommandList, body: CommandList)], otherwise: CommandList?)
    case forEach(variable: String, words: [Word]?, body: CommandList)
    case forArithmetic(start: Word, test: Word, step: Word, body: CommandList)
    case loop(test: CommandList, isUntil: Bool, body: CommandList)
    case choice(subject: Word, cases: [(patterns: [Word], body: CommandList)])
    case function(name: String, body: FunctionBody)
    case conditional(ConditionalExpression)
    case arithmetic(Word)
  }
}

/// The body of a function, shared by all who call it.
public final class FunctionBody: Sendable {
  let command: ShellCommand
  init(_ command: ShellCommand) { self.command = command }
}

/// `name=value` before a command or alone.
public struct Assignment: Sendable {
  /// Where it begins in the file, in bytes.
  public var offset: Int
  /// The name of the variable.
  public var name: String
  /// Whether the value is appended, as with `name+=value`.
  public var isAppend: Bool
  /// The value before expansion.
  public var value: Word
}

/// `>file`, `2>&1`, `<<EOF` and their kin.
public struct Redirection: Sendable {
  /// Where it begins in the file, in bytes.
  public var offset: Int
  /// The descriptor named before the operator; nil for the one usual for it.
  public var descriptor: Int32?
  /// What is done to the descriptor.
  public var kind: Kind

  /// What is done to the descriptor.
  public enum Kind: Sendable {
    case input(Word)
    case output(Word, isAppend: Bool)
    case readWrite(Word)
    case both(Word, isAppend: Bool)
    case duplicate(Word, isInput: Bool)
    case text(Word)
    case hereString(Word)
  }
}

/// A word of a command before expansion.
public struct Word: Sendable {
  /// Where it begins in the file, in bytes.
  public var offset: Int
  /// The pieces that together make the word.
  public var parts: [WordPart]

  /// The text of a word in which nothing is to be expanded; nil otherwise.
  public var literal: String? {
    var bytes: [UInt8] = []
    for part in parts {
      guard case .literal(let text, _) = part else { return nil }
      bytes += text.bytes
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The text of a word without any quoting and expansion; nil otherwise.
  var plain: String? {
    guard parts.count == 1, case .literal(let text, false) = parts[0] else { return nil }
    return String(decoding: text.bytes, as: UTF8.self)
  }

  /// Whether the word always becomes exactly one argument.
  public var isOneArgument: Bool {
    for part in parts {
      switch part {
      case .literal: continue
      case .parameter(let expansion, let isQuoted):
        if !isQuoted || expansion.name == "@" { return false }
      case .command(_, let isQuoted), .arithmetic(_, let isQuoted):
        if !isQuoted { return false }
      }
    }
    return true
  }

  /// The literal bytes of the word with their places.
  var literalText: ShellText? {
    var bytes: [UInt8] = []
    var offsets: [Int] = []
    var end = offset
    for part in parts {
      guard case .literal(let piece, _) = part else { return nil }
      bytes += piece.bytes
      offsets += piece.offsets.prefix(piece.bytes.count)
      end = piece.offsets.last ?? end
    }
    return ShellText(bytes: bytes, offsets: offsets + [end])
  }
}

/// A piece of a word.
public enum WordPart: Sendable {
  case literal(ShellText, isQuoted: Bool)
  case parameter(ParameterExpansion, isQuoted: Bool)
  case command(CommandSubstitution, isQuoted: Bool)
  case arithmetic(Word, isQuoted: Bool)
}

/// `$(…)`, shared so that copies of a word are cheap.
public final class CommandSubstitution: Sendable {
  let list: CommandList
  init(_ list: CommandList) { self.list = list }
}

/// `$name`, `${name}` and what may follow the name in braces.
public struct ParameterExpansion: Sendable {
  /// Where it begins in the file, in bytes.
  public var offset: Int
  /// The name of the variable, or the sign or digits of a special parameter.
  public var name: String
  /// What is done with the value.
  public var operation: Operation = .value

  /// What is done with the value.
  public indirect enum Operation: Sendable {
    case value
    case length
    case useDefault(Word, orEmpty: Bool)
    case assignDefault(Word, orEmpty: Bool)
    case alternative(Word, orEmpty: Bool)
    case errorIfUnset(Word, orEmpty: Bool)
    case removePrefix(Word, isLongest: Bool)
    case removeSuffix(Word, isLongest: Bool)
    case replace(pattern: Word, with: Word, isAll: Bool)
    case substring(Word, length: Word?)
    case changeCase(isUpper: Bool, isAll: Bool)
  }
}

/// What stands between `[[` and `]]`.
public indirect enum ConditionalExpression: Sendable {
  case word(Word)
  case unary(String, Word)
  case binary(String, Word, Word)
  case not(ConditionalExpression)
  case and(ConditionalExpression, ConditionalExpression)
  case or(ConditionalExpression, ConditionalExpression)
}

/// What is wrong with shell text, and where.
public struct ShellSyntaxError: Error, Sendable {
  /// Where in the file it is wrong, in bytes.
  public var offset: Int
  /// What is wrong there.
  public var message: String
  /// What the text lacks when it ends too early.
  public var missing: Missing?

  /// Why more text could make it right.
  public enum Missing: Sendable {
    case command
    case quote
  }
}
