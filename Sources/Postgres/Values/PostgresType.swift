/// A PostgreSQL data type, by its object id; those that every server has under the same number.
public struct PostgresType: RawRepresentable, Hashable, Sendable {
    /// The object id in `pg_type`.
    public var rawValue: UInt32

    /// Makes the type with object id `rawValue`.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// `boolean`.
    public static let bool = PostgresType(rawValue: 16)
    /// `bytea`.
    public static let bytes = PostgresType(rawValue: 17)
    /// `bigint`.
    public static let int64 = PostgresType(rawValue: 20)
    /// `smallint`.
    public static let int16 = PostgresType(rawValue: 21)
    /// `integer`.
    public static let int32 = PostgresType(rawValue: 23)
    /// `text`.
    public static let text = PostgresType(rawValue: 25)
    /// `double precision`.
    public static let double = PostgresType(rawValue: 701)
    /// `date`.
    public static let date = PostgresType(rawValue: 1082)
    /// `timestamp with time zone`.
    public static let timestamp = PostgresType(rawValue: 1184)
    /// `numeric`.
    public static let numeric = PostgresType(rawValue: 1700)
    /// `uuid`.
    public static let uuid = PostgresType(rawValue: 2950)
    /// `jsonb`.
    public static let jsonb = PostgresType(rawValue: 3802)

    /// `boolean[]`.
    public static let bools = PostgresType(rawValue: 1000)
    /// `bytea[]`.
    public static let bytesArray = PostgresType(rawValue: 1001)
    /// `smallint[]`.
    public static let int16s = PostgresType(rawValue: 1005)
    /// `integer[]`.
    public static let int32s = PostgresType(rawValue: 1007)
    /// `text[]`.
    public static let texts = PostgresType(rawValue: 1009)
    /// `bigint[]`.
    public static let int64s = PostgresType(rawValue: 1016)
    /// `double precision[]`.
    public static let doubles = PostgresType(rawValue: 1022)
    /// `timestamp with time zone[]`.
    public static let timestamps = PostgresType(rawValue: 1185)
    /// `uuid[]`.
    public static let uuids = PostgresType(rawValue: 2951)
    /// `jsonb[]`.
    public static let jsonbs = PostgresType(rawValue: 3807)
}
