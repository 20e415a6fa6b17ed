public import HopyardWire

/// What `-m sctp` asks of a packet (RFC 9260).
public struct SCTPMatch: Hashable, Sendable {
  /// One kind of chunk, perhaps with some of its flags.
  public struct Chunk: Hashable, Sendable {
    /// The number of the kind.
    public var kind: UInt8
    /// The flags that are looked at; 0 for none.
    public var flagMask: UInt8
    /// Those of them that must be set.
    public var flags: UInt8

    /// Makes a kind of chunk.
    public init(_ kind: UInt8, flagMask: UInt8 = 0, flags: UInt8 = 0) {
      self.kind = kind
      self.flagMask = flagMask
      self.flags = flags
    }
  }

  /// How the kinds of chunks are compared with those of the packet.
  public enum Scope: String, Hashable, Sendable {
    /// All kinds are there.
    case all
    /// One of them is there.
    case any
    /// Nothing else is there.
    case only
  }

  /// Kinds of chunks that a packet must have.
  public struct Chunks: Hashable, Sendable {
    /// How they are compared.
    public var scope: Scope
    /// Every kind that is named, in the order of their numbers.
    public var chunks: [Chunk]
    /// Whether every number is among them (`ALL`), also those without a name.
    public var isEverything: Bool
    /// Whether the match is the other way round (`!`).
    public var inverted: Bool

    /// Makes a list of kinds.
    public init(
      _ scope: Scope,
      _ chunks: [Chunk],
      isEverything: Bool = false,
      inverted: Bool = false
    ) {
      self.scope = scope
      self.chunks = chunks
      self.isEverything = isEverything
      self.inverted = inverted
    }
  }

  /// The source port.
  public var source: PortMatch?
  /// The destination port.
  public var destination: PortMatch?
  /// The kinds of chunks.
  public var chunks: Chunks?

  /// Makes a match; what is left out does not restrict.
  public init(
    source: PortMatch? = nil,
    destination: PortMatch? = nil,
    chunks: Chunks? = nil
  ) {
    self.source = source
    self.destination = destination
    self.chunks = chunks
  }
}

/// What `-m dccp` asks of a packet (RFC 4340).
public struct DCCPMatch: Hashable, Sendable {
  /// Packet types, as a set of bits by their numbers.
  public struct Types: Hashable, Sendable {
    /// One bit for each type.
    public var bits: UInt16
    /// Whether the match is the other way round (`!`).
    public var inverted: Bool

    /// Makes a set of types.
    public init(_ bits: UInt16, inverted: Bool = false) {
      self.bits = bits
      self.inverted = inverted
    }
  }

  /// The source port.
  public var source: PortMatch?
  /// The destination port.
  public var destination: PortMatch?
  /// The packet types.
  public var types: Types?
  /// The number of an option that must be there (or not).
  public var option: ValueMatch?

  /// Makes a match; what is left out does not restrict.
  public init(
    source: PortMatch? = nil,
    destination: PortMatch? = nil,
    types: Types? = nil,
    option: ValueMatch? = nil
  ) {
    self.source = source
    self.destination = destination
    self.types = types
    self.option = option
  }
}

/// What `-m ecn` asks of the bits of explicit congestion notification (RFC 3168).
public struct ECNMatch: Hashable, Sendable {
  /// Whether the TCP flag CWR is set.
  public var reduced: Bool?
  /// Whether the TCP flag ECE is set.
  public var echo: Bool?
  /// The codepoint in the IP header.
  public var codepoint: ValueMatch?

  /// Makes a match; what is left out does not restrict.
  public init(reduced: Bool? = nil, echo: Bool? = nil, codepoint: ValueMatch? = nil) {
    self.reduced = reduced
    self.echo = echo
    self.codepoint = codepoint
  }

  /// Whether a TCP header is looked at.
  public var needsTCP: Bool { reduced != nil || echo != nil }
}

/// What `-m ipcomp` asks of a compressed packet (RFC 3173).
public struct CompressionMatch: Hashable, Sendable {
  /// The compression parameter index.
  public var index: RangeMatch
  /// Whether the reserved field must be zero.
  public var checksReserved: Bool

  /// Makes a match.
  public init(_ index: RangeMatch, checksReserved: Bool = false) {
    self.index = index
    self.checksReserved = checksReserved
  }
}

/// Instructions of the classic Berkeley packet filter, as `-m bpf` takes them.
public struct FilterProgram: Hashable, Sendable {
  /// One instruction.
  public struct Instruction: Hashable, Sendable {
    /// What it does.
    public var code: UInt16
    /// How many instructions are jumped over if a condition holds.
    public var whenTrue: UInt8
    /// How many are jumped over if it does not.
    public var whenFalse: UInt8
    /// The operand.
    public var operand: UInt32

    /// Makes an instruction.
    public init(code: UInt16, whenTrue: UInt8, whenFalse: UInt8, operand: UInt32) {
      self.code = code
      self.whenTrue = whenTrue
      self.whenFalse = whenFalse
      self.operand = operand
    }
  }

  /// The instructions.
  public var instructions: [Instruction]

  /// Makes a program.
  public init(_ instructions: [Instruction]) {
    self.instructions = instructions
  }
}
