#include "worker/branch/fingerprint_parts.hpp"

namespace agent_branch {
namespace {

// The last columns of what has an owner but no privileges, and of what has neither.
constexpr const char *kNoAcl = R"(, NULL::"char", NULL::aclitem[])";
constexpr const char *kNeither = R"(, NULL::oid, NULL::"char", NULL::aclitem[])";

// Below this number are the objects that initdb made.
constexpr const char *kFirstUserOid = "16384";

std::string NotMember(const std::string &catalog, const std::string &oid) {
  return " AND NOT EXISTS (SELECT FROM member m WHERE m.classid = '" + catalog +
         "'::regclass AND m.objid = " + oid + ")";
}

std::string InUserSchema(const std::string &catalog, const std::string &alias,
                         const std::string &schema_column) {
  return " FROM " + catalog + " " + alias + " JOIN pg_namespace n ON n.oid = " + alias + "." +
         schema_column + " WHERE " + kUserSchema + NotMember(catalog, alias + ".oid");
}

std::string MadeByUser(const std::string &catalog, const std::string &alias) {
  return " FROM " + catalog + " " + alias + " WHERE " + alias + ".oid >= " + kFirstUserOid +
         NotMember(catalog, alias + ".oid");
}

std::string SchemasAndFunctions() {
  return R"(
SELECT 'schema', quote_ident(n.nspname), ''::text, n.nspowner, 'n'::"char", n.nspacl
FROM pg_namespace n WHERE )" +
         std::string(kUserSchema) + NotMember("pg_namespace", "n.oid") + R"(
UNION ALL
SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
  p.oid::regprocedure::text,
  CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE
    (SELECT ROW(pg_get_function_arguments(p.oid), format_type(p.prorettype, NULL), p.proparallel,
                a.aggkind, a.aggnumdirectargs, a.aggtransfn, a.aggfinalfn, a.aggcombinefn,
                a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn,
                a.aggfinalextra, a.aggmfinalextra, a.aggfinalmodify, a.aggmfinalmodify,
                a.aggsortop::regoperator, format_type(a.aggtranstype, NULL), a.aggtransspace,
                format_type(a.aggmtranstype, NULL), a.aggmtransspace, a.agginitval,
                a.aggminitval)::text
     FROM pg_aggregate a WHERE a.aggfnoid = p.oid) END,
  p.proowner, 'f'::"char", p.proacl)" +
         InUserSchema("pg_proc", "p", "pronamespace");
}

// Without shells, which only say that somebody has named an operator that there is not.
std::string Operators() {
  return R"(
SELECT 'operator', o.oid::regoperator::text,
  ROW(o.oprkind, o.oprcanmerge, o.oprcanhash, format_type(o.oprresult, NULL),
      o.oprcom::regoperator, o.oprnegate::regoperator, o.oprcode, o.oprrest, o.oprjoin)::text,
  o.oprowner)" +
         std::string(kNoAcl) + InUserSchema("pg_operator", "o", "oprnamespace") + R"(
  AND o.oprcode <> 0
UNION ALL
SELECT 'operator class', (pg_identify_object('pg_opclass'::regclass, c.oid, 0)).identity,
  ROW(c.opcdefault, format_type(c.opcintype, NULL), format_type(c.opckeytype, NULL),
      (pg_identify_object('pg_opfamily'::regclass, c.opcfamily, 0)).identity)::text,
  c.opcowner)" +
         kNoAcl + InUserSchema("pg_opclass", "c", "opcnamespace") + R"(
UNION ALL
SELECT 'operator family', (pg_identify_object('pg_opfamily'::regclass, f.oid, 0)).identity,
  ROW((SELECT string_agg(x, ',' ORDER BY x COLLATE "C") FROM pg_amop a,
         concat_ws(' ', a.amopstrategy, a.amoppurpose, a.amopopr::regoperator,
           (pg_identify_object('pg_opfamily'::regclass, nullif(a.amopsortfamily, 0), 0)).identity) x
       WHERE a.amopfamily = f.oid),
      (SELECT string_agg(x, ',' ORDER BY x COLLATE "C") FROM pg_amproc a,
         concat_ws(' ', a.amprocnum, format_type(a.amproclefttype, NULL),
           format_type(a.amprocrighttype, NULL), a.amproc::regprocedure) x
       WHERE a.amprocfamily = f.oid))::text,
  f.opfowner)" +
         kNoAcl + InUserSchema("pg_opfamily", "f", "opfnamespace");
}

std::string CastsAndConversions() {
  return R"(
SELECT 'cast', (pg_identify_object('pg_cast'::regclass, c.oid, 0)).identity,
  ROW(c.castfunc::regprocedure, c.castcontext, c.castmethod)::text)" +
         std::string(kNeither) + MadeByUser("pg_cast", "c") + R"(
UNION ALL
SELECT 'transform', (pg_identify_object('pg_transform'::regclass, t.oid, 0)).identity,
  ROW(t.trffromsql::regprocedure, t.trftosql::regprocedure)::text)" +
         kNeither + MadeByUser("pg_transform", "t") + R"(
UNION ALL
SELECT 'access method', quote_ident(a.amname), ROW(a.amtype, a.amhandler)::text)" +
         kNeither + MadeByUser("pg_am", "a") + R"(
UNION ALL
SELECT 'conversion', format('%I.%I', n.nspname, c.conname),
  ROW(pg_encoding_to_char(c.conforencoding), pg_encoding_to_char(c.contoencoding), c.conproc,
      c.condefault)::text, c.conowner)" +
         kNoAcl + InUserSchema("pg_conversion", "c", "connamespace");
}

// Without the version, which tells of the machine's libraries.
std::string Collations(int version) {
  const std::string locale =
      Since(version, 170000, "c.colllocale", Since(version, 150000, "c.colliculocale").c_str());
  return R"(
SELECT 'collation', format('%I.%I', n.nspname, c.collname),
  ROW(c.collprovider, c.collisdeterministic, pg_encoding_to_char(c.collencoding),
      c.collcollate, c.collctype, )" +
         locale + ", " + Since(version, 160000, "c.collicurules") + R"()::text, c.collowner)" +
         kNoAcl + InUserSchema("pg_collation", "c", "collnamespace");
}

std::string TextSearch() {
  return R"(
SELECT 'text search configuration', format('%I.%I', n.nspname, c.cfgname),
  ROW((pg_identify_object('pg_ts_parser'::regclass, c.cfgparser, 0)).identity,
      (SELECT string_agg(ROW(m.maptokentype, m.mapdict::regdictionary)::text, ','
                         ORDER BY m.maptokentype, m.mapseqno)
       FROM pg_ts_config_map m WHERE m.mapcfg = c.oid))::text, c.cfgowner)" +
         std::string(kNoAcl) + InUserSchema("pg_ts_config", "c", "cfgnamespace") + R"(
UNION ALL
SELECT 'text search dictionary', format('%I.%I', n.nspname, d.dictname),
  ROW((pg_identify_object('pg_ts_template'::regclass, d.dicttemplate, 0)).identity,
      d.dictinitoption)::text, d.dictowner)" +
         kNoAcl + InUserSchema("pg_ts_dict", "d", "dictnamespace") + R"(
UNION ALL
SELECT 'text search parser', format('%I.%I', n.nspname, p.prsname),
  ROW(p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype)::text)" +
         kNeither + InUserSchema("pg_ts_parser", "p", "prsnamespace") + R"(
UNION ALL
SELECT 'text search template', format('%I.%I', n.nspname, t.tmplname),
  ROW(t.tmplinit, t.tmpllexize)::text)" +
         kNeither + InUserSchema("pg_ts_template", "t", "tmplnamespace");
}

// A user mapping's options are null for who may not see them, and hold passwords: each is told by
// its name and 32 bits of a digest.
std::string LanguagesAndServers() {
  return R"(
SELECT 'language', quote_ident(l.lanname),
  ROW(l.lanpltrusted, l.lanplcallfoid::regprocedure, l.laninline::regprocedure,
      l.lanvalidator::regprocedure)::text, l.lanowner, 'l'::"char", l.lanacl)" +
         MadeByUser("pg_language", "l") + R"(
UNION ALL
SELECT 'event trigger', quote_ident(e.evtname),
  ROW(e.evtevent, e.evtenabled, e.evtfoid::regprocedure, )" +
         SortedOptions("e.evttags") + R"()::text, e.evtowner)" + kNoAcl +
         MadeByUser("pg_event_trigger", "e") + R"(
UNION ALL
SELECT 'foreign data wrapper', quote_ident(f.fdwname),
  ROW(f.fdwhandler::regprocedure, f.fdwvalidator::regprocedure, )" +
         SortedOptions("f.fdwoptions") + R"()::text, f.fdwowner, 'F'::"char", f.fdwacl)" +
         MadeByUser("pg_foreign_data_wrapper", "f") + R"(
UNION ALL
SELECT 'server', quote_ident(s.srvname),
  ROW(s.srvtype, s.srvversion, (SELECT fdwname FROM pg_foreign_data_wrapper WHERE oid = s.srvfdw), )" +
         SortedOptions("s.srvoptions") + R"()::text, s.srvowner, 'S'::"char", s.srvacl)" +
         MadeByUser("pg_foreign_server", "s") + R"(
UNION ALL
SELECT 'user mapping', format('for %I on %I', u.usename, u.srvname),
  (SELECT string_agg(concat_ws(' ', split_part(o, '=', 1),
                               left(encode(sha256(convert_to(o, 'UTF8')), 'hex'), 8)),
                     ', ' ORDER BY o COLLATE "C") FROM unnest(u.umoptions) o))" +
         kNeither + R"(
FROM pg_user_mappings u)";
}

std::string Extensions() {
  return R"(
SELECT 'extension', quote_ident(e.extname),
  ROW(e.extversion, n.nspname, e.extrelocatable)::text, e.extowner)" +
         std::string(kNoAcl) + R"(
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace)";
}

}  // namespace

// Enums, domains, ranges, base types and shells; a composite type's attributes come with the
// relations, whose own types and array types go without saying.
std::string Types(int version) {
  return R"(
SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, format_type(t.oid, NULL),
  concat_ws(' ', 'kind ' || t.typtype::text, CASE WHEN NOT t.typisdefined THEN 'shell' END,
      CASE WHEN t.typbasetype <> 0 THEN 'as ' || format_type(t.typbasetype, t.typtypmod) END,
      CASE WHEN t.typnotnull THEN 'not null' END,
      CASE WHEN t.typcollation <> 0 THEN 'collate ' || t.typcollation::regcollation END,
      'default ' || t.typdefault,
      'labels (' || (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
       FROM pg_enum e WHERE e.enumtypid = t.oid) || ')',
      'range ' || (SELECT ROW(format_type(r.rngsubtype, NULL), r.rngcollation::regcollation,
                  (pg_identify_object('pg_opclass'::regclass, r.rngsubopc, 0)).identity,
                  r.rngcanonical, r.rngsubdiff, )" +
         Since(version, 140000, "format_type(r.rngmultitypid, NULL)") + R"()::text
       FROM pg_range r WHERE r.rngtypid = t.oid),
      CASE WHEN t.typtype = 'b' THEN
        'base ' || ROW(t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout,
            t.typanalyze, t.typlen, t.typbyval, t.typalign, t.typstorage, t.typcategory,
            t.typispreferred, t.typdelim, format_type(t.typelem, NULL), )" +
         Since(version, 140000, "t.typsubscript") + R"()::text END),
  t.typowner, 'T'::"char", t.typacl)" +
         InUserSchema("pg_type", "t", "typnamespace") + R"(
  AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
  AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
  AND t.typtype <> )" +
         // A multirange type comes and goes with its range, and its array with it.
         Since(version, 140000, "'m'", "''");
}

std::vector<FingerprintPart> ObjectParts(int version) {
  return {{SchemasAndFunctions(), true},
          {Operators()},
          {CastsAndConversions()},
          {Collations(version)},
          {TextSearch()},
          {LanguagesAndServers(), true},
          {Extensions()}};
}

}  // namespace agent_branch
