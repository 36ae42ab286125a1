begin;
create table t5 (id int);
commit;
